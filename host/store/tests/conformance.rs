//! What every store must do, asked of the embedded one and of the model alike.

#![allow(clippy::unwrap_used)]

mod common;

/// Runs each scenario against a fresh store of either kind.
macro_rules! conformance {
    ($($scenario:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(&gatehouse_store::MemoryStore::new()).await;
            })*
        }
        mod redb {
            $(#[tokio::test]
            async fn $scenario() {
                let folder = crate::common::Folder::new();
                super::$scenario(&folder.open()).await;
            })*
        }
    };
}

#[path = "conformance/approvals.rs"]
mod approvals;
#[path = "conformance/commits.rs"]
mod commits;
#[path = "conformance/directory_lists.rs"]
mod directory_lists;
#[path = "conformance/lanes.rs"]
mod lanes;
#[path = "conformance/lists.rs"]
mod lists;
#[path = "conformance/order.rs"]
mod order;
#[path = "conformance/removals.rs"]
mod removals;
#[path = "conformance/request_lists.rs"]
mod request_lists;
#[path = "conformance/sharing.rs"]
mod sharing;
#[path = "conformance/trail.rs"]
mod trail;
