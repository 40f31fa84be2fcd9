//! Measures the Extism plugin whose path is the first argument: kept from call to call, as Extism is usually used,
//! and a fresh instance a call, as the sandbox does it.

use anyhow::{Context as _, Result, anyhow};
use bench_work::host::{Measured, Order, repeat, serve};
use bench_work::wire::{Answer, Question};
use bench_work::{Item, Task, items};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use std::path::PathBuf;

fn main() -> Result<()> {
    let file = PathBuf::from(std::env::args_os().nth(1).context("the plugin's path")?);
    let plugin = std::fs::read(&file).with_context(|| file.display().to_string())?;
    let manifest = Manifest::new([Wasm::data(plugin)]);
    let compiled = CompiledPlugin::new(PluginBuilder::new(manifest).with_wasi(true))?;
    let mut kept = Plugin::new_from_compiled(&compiled)?;
    let (few, many) = (items(Task::AnalyzeFew.accounts()), items(Task::Analyze.accounts()));
    serve(|order| {
        let batch = if order.task == Task::AnalyzeFew { &few } else { &many };
        let measured = match order.contender.as_str() {
            "extism-kept" => measure(order, batch, |call| call(&mut kept)),
            "extism-fresh" => measure(order, batch, |call| call(&mut Plugin::new_from_compiled(&compiled)?)),
            other => Err(anyhow!("{other} is not measured here")),
        };
        measured.map_err(|error| format!("{error:#}"))
    })?;
    Ok(())
}

fn measure(
    order: &Order,
    batch: &[Item],
    mut with: impl FnMut(&dyn Fn(&mut Plugin) -> Result<()>) -> Result<()>,
) -> Result<Measured> {
    repeat(order.ms, || with(&|plugin| once(plugin, order.task, batch)))
}

fn once(plugin: &mut Plugin, task: Task, batch: &[Item]) -> Result<()> {
    let answer: &[u8] = plugin.call("call", serde_json::to_vec(&Question::of(task, batch))?)?;
    let answer: Answer = serde_json::from_slice(answer)?;
    Ok(answer.check(task)?)
}
