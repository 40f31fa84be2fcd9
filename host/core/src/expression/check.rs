//! From the parser's tree to a program: every name is found, every function has its arguments, and what Gatehouse does
//! not offer of CEL is refused here, once, rather than for somebody at night.

use super::functions::Function;
use super::parse::{MAX_DEPTH, MAX_LOOPS, MAX_NODES, TOO_DEEP};
use super::program::{Binary, Field, Kind, Loop, LoopKind, Node, Place, Program};
use super::{ExpressionError, UsedAttributes};
use crate::problem::{nearest, one_of};
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

/// Checks a tree; `place` gives where a node was written.
pub(super) fn check(tree: &IdedExpr, place: impl Fn(u64) -> Place) -> Result<Program, ExpressionError> {
    let mut checker = Checker {
        place: &place,
        nodes: 0,
        elements: Vec::new(),
        of_user: UsedAttributes::none(),
        of_account: UsedAttributes::none(),
        names_account: None,
    };
    let root = checker.node(tree, 0)?;
    let Checker { of_user, of_account, names_account, .. } = checker;
    Ok(Program { root, of_user, of_account, names_account })
}

struct Checker<'a> {
    place: &'a dyn Fn(u64) -> Place,
    nodes: usize,
    /// The names of the elements of the loops around.
    elements: Vec<&'a str>,
    of_user: UsedAttributes,
    of_account: UsedAttributes,
    names_account: Option<ExpressionError>,
}

/// What can be asked of: it is no value itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    User,
    Account,
    UserAttributes,
    AccountAttributes,
}

const OF_USER: [&str; 11] = [
    "id",
    "username",
    "email",
    "first_name",
    "last_name",
    "profile",
    "permission_sets",
    "manager",
    "active",
    "frozen",
    "attributes",
];
const OF_ACCOUNT: [&str; 4] = ["id", "username", "status", "attributes"];

type Checked<T> = Result<T, ExpressionError>;

impl<'a> Checker<'a> {
    fn node(&mut self, tree: &'a IdedExpr, depth: usize) -> Checked<Node> {
        let at = (self.place)(tree.id);
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(at.error(format!("the expression has more than {MAX_NODES} parts")));
        }
        if depth > MAX_DEPTH {
            return Err(at.error(TOO_DEEP));
        }
        let kind = match &tree.expr {
            Expr::Literal(literal) => constant(literal, at)?,
            Expr::Ident(name) => self.name(name, at)?,
            Expr::Select(select) => self.select(select, at, depth)?,
            Expr::Call(call) => self.call(call, at, depth)?,
            Expr::List(list) => {
                Kind::List(list.elements.iter().map(|e| self.node(e, depth + 1)).collect::<Checked<_>>()?)
            }
            Expr::Comprehension(of) => Kind::Loop(Box::new(self.comprehension(of, at, depth)?)),
            Expr::Map(_) | Expr::Struct(_) => return Err(at.error("no map is needed here; use lists and texts")),
            Expr::Unspecified => return Err(at.error("something is missing here")),
        };
        Ok(Node { at, kind })
    }

    fn boxed(&mut self, tree: &'a IdedExpr, depth: usize) -> Checked<Box<Node>> {
        self.node(tree, depth + 1).map(Box::new)
    }

    fn name(&self, name: &str, at: Place) -> Checked<Kind> {
        if let Some(no) = self.elements.iter().rposition(|element| *element == name) {
            return Ok(Kind::Element(no));
        }
        Err(at.error(match name {
            "user" => "`user` by itself is no value; name an attribute, such as `user.email`".to_owned(),
            "account" => "`account` by itself is no value; name an attribute, such as `account.username`".to_owned(),
            _ => match nearest(name, ["user", "account"].into_iter().chain(self.elements.iter().copied())).as_slice() {
                [] => format!("there is no `{name}`; everything is asked of `user`, such as `user.email`"),
                near => format!("there is no `{name}`; did you mean {}?", one_of(near)),
            },
        }))
    }

    /// Whether something is asked of the user or the account, or of their attributes.
    fn record(&self, tree: &IdedExpr) -> Option<Record> {
        match &tree.expr {
            Expr::Ident(name) if self.elements.contains(&name.as_str()) => None,
            Expr::Ident(name) => match name.as_str() {
                "user" => Some(Record::User),
                "account" => Some(Record::Account),
                _ => None,
            },
            Expr::Select(select) if !select.test && select.field == "attributes" => {
                match self.record(&select.operand)? {
                    Record::User => Some(Record::UserAttributes),
                    Record::Account => Some(Record::AccountAttributes),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn select(&mut self, select: &'a SelectExpr, at: Place, depth: usize) -> Checked<Kind> {
        let Some(record) = self.record(&select.operand) else {
            // Looks into the operand first: what is wrong there explains more.
            self.node(&select.operand, depth + 1)?;
            return Err(at.error(format!("`.{}` can only be asked of `user` and its `attributes`", select.field)));
        };
        let name = Node { at, kind: Kind::Text(select.field.clone()) };
        let field = self.field(record, name, at)?;
        Ok(if select.test { Kind::Has(field) } else { Kind::Field(field) })
    }

    /// What is asked of a record, by a name that may be worked out.
    fn field(&mut self, record: Record, name: Node, at: Place) -> Checked<Field> {
        if matches!(record, Record::Account | Record::AccountAttributes) && self.names_account.is_none() {
            self.names_account = Some(at.error("there is no account here; only conditions of linking rules have one"));
        }
        let known = match &name.kind {
            Kind::Text(text) => Some(text.clone()),
            _ => None,
        };
        let used = known.clone().map_or(UsedAttributes::All, |name| UsedAttributes::Only([name].into()));
        match (record, known) {
            (Record::UserAttributes, _) => {
                self.of_user.extend(used);
                Ok(Field::Attribute(Box::new(name)))
            }
            (Record::AccountAttributes, _) => {
                self.of_account.extend(used);
                Ok(Field::AccountAttribute(Box::new(name)))
            }
            (Record::User, Some(name)) => {
                let field = of_user(&name).ok_or_else(|| at.error(no_field("user", &name, &OF_USER)))?;
                self.of_user.extend(used);
                Ok(field)
            }
            (Record::Account, Some(name)) => {
                of_account(&name).ok_or_else(|| at.error(no_field("account", &name, &OF_ACCOUNT)))
            }
            (Record::User | Record::Account, None) => Err(at.error("write the name of the attribute after a dot")),
        }
    }

    fn call(&mut self, call: &'a CallExpr, at: Place, depth: usize) -> Checked<Kind> {
        if call.target.is_none()
            && let Some(kind) = self.operator(&call.func_name, &call.args, at, depth)?
        {
            return Ok(kind);
        }
        let arguments: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        let function = Function::named(&call.func_name).ok_or_else(|| at.error(no_function(&call.func_name)))?;
        if !function.takes(arguments.len()) {
            return Err(at.error(format!("`{}` is used as {}", call.func_name, function.usage())));
        }
        let arguments = arguments.into_iter().map(|a| self.node(a, depth + 1)).collect::<Checked<_>>()?;
        Ok(Kind::Call(function, arguments))
    }

    fn operator(&mut self, name: &str, args: &'a [IdedExpr], at: Place, depth: usize) -> Checked<Option<Kind>> {
        let kind = match (name, args) {
            (operators::LOGICAL_NOT, [of]) => Kind::Not(self.boxed(of, depth)?),
            (operators::NEGATE, [of]) => Kind::Negate(self.boxed(of, depth)?),
            (operators::LOGICAL_AND, [a, b]) => {
                Kind::And(Box::new([self.node(a, depth + 1)?, self.node(b, depth + 1)?]))
            }
            (operators::LOGICAL_OR, [a, b]) => Kind::Or(Box::new([self.node(a, depth + 1)?, self.node(b, depth + 1)?])),
            (operators::CONDITIONAL, [a, b, c]) => {
                Kind::If(Box::new([self.node(a, depth + 1)?, self.node(b, depth + 1)?, self.node(c, depth + 1)?]))
            }
            (operators::INDEX, [of, name]) if self.record(of).is_some() => {
                let (Some(record), name) = (self.record(of), self.node(name, depth + 1)?) else { return Ok(None) };
                Kind::Field(self.field(record, name, at)?)
            }
            // Whether there is such an attribute, as `has` asks.
            (operators::IN, [name, of]) if self.record(of).is_some() => {
                let (Some(record), name) = (self.record(of), self.node(name, depth + 1)?) else { return Ok(None) };
                Kind::Has(self.field(record, name, at)?)
            }
            (name, [a, b]) => {
                let Some(operator) = binary(name) else { return Ok(None) };
                Kind::Binary(operator, Box::new([self.node(a, depth + 1)?, self.node(b, depth + 1)?]))
            }
            _ => return Ok(None),
        };
        Ok(Some(kind))
    }

    /// One of the macros, by the shape that the parser gives it.
    fn comprehension(&mut self, of: &'a ComprehensionExpr, at: Place, depth: usize) -> Checked<Loop> {
        let shape = shape(of).ok_or_else(|| at.error("this kind of loop is not offered"))?;
        let over = self.node(&of.iter_range, depth + 1)?;
        if self.elements.len() >= MAX_LOOPS {
            return Err(at.error(format!("more than {MAX_LOOPS} loops stand within each other")));
        }
        self.elements.push(&of.iter_var);
        let when = shape.when.map(|when| self.node(when, depth + 1)).transpose();
        let body = when.and_then(|when| Ok((when, self.node(shape.body, depth + 1)?)));
        self.elements.pop();
        let (when, body) = body?;
        Ok(Loop { kind: shape.kind, over, when, body })
    }
}

/// The parts of a macro.
struct Shape<'a> {
    kind: LoopKind,
    when: Option<&'a IdedExpr>,
    body: &'a IdedExpr,
}

fn shape(of: &ComprehensionExpr) -> Option<Shape<'_>> {
    let Expr::Call(step) = &of.loop_step.expr else { return None };
    let of_step = |kind, body| Some(Shape { kind, when: None, body });
    match (&of.accu_init.expr, step.func_name.as_str(), step.args.as_slice()) {
        (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_AND, [_, body]) => of_step(LoopKind::All, body),
        (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_OR, [_, body]) => of_step(LoopKind::Exists, body),
        (Expr::Literal(LiteralValue::Int(_)), operators::CONDITIONAL, [body, _, _]) => {
            of_step(LoopKind::ExistsOne, body)
        }
        (Expr::List(_), operators::CONDITIONAL, [when, then, _]) => {
            let Expr::Call(then) = &then.expr else { return None };
            Some(Shape { kind: LoopKind::Map, when: Some(when), body: appended(&then.args)? })
        }
        (Expr::List(_), operators::ADD, args) => of_step(LoopKind::Map, appended(args)?),
        _ => None,
    }
}

/// The element of `result + [element]`.
fn appended(args: &[IdedExpr]) -> Option<&IdedExpr> {
    match args {
        [_, IdedExpr { expr: Expr::List(list), .. }] => list.elements.first(),
        _ => None,
    }
}

fn constant(literal: &LiteralValue, at: Place) -> Checked<Kind> {
    Ok(match literal {
        LiteralValue::Null => Kind::Null,
        LiteralValue::Boolean(truth) => Kind::Bool(*truth.inner()),
        LiteralValue::Int(number) => Kind::Int(*number.inner()),
        LiteralValue::String(text) => Kind::Text(text.inner().to_owned()),
        LiteralValue::Double(_) | LiteralValue::UInt(_) | LiteralValue::Bytes(_) => {
            return Err(at.error("only texts, whole numbers, true, false and null can stand here"));
        }
    })
}

fn binary(name: &str) -> Option<Binary> {
    Some(match name {
        operators::ADD => Binary::Add,
        operators::SUBSTRACT => Binary::Subtract,
        operators::MULTIPLY => Binary::Multiply,
        operators::DIVIDE => Binary::Divide,
        operators::MODULO => Binary::Remainder,
        operators::EQUALS => Binary::Equal,
        operators::NOT_EQUALS => Binary::Unequal,
        operators::LESS => Binary::Less,
        operators::LESS_EQUALS => Binary::LessOrEqual,
        operators::GREATER => Binary::Greater,
        operators::GREATER_EQUALS => Binary::GreaterOrEqual,
        operators::IN => Binary::In,
        operators::INDEX => Binary::Index,
        _ => return None,
    })
}

fn of_user(name: &str) -> Option<Field> {
    Some(match name {
        "id" => Field::Id,
        "username" => Field::Username,
        "email" => Field::Email,
        "first_name" => Field::FirstName,
        "last_name" => Field::LastName,
        "profile" => Field::Profile,
        "manager" => Field::Manager,
        "permission_sets" => Field::PermissionSets,
        "active" => Field::Active,
        "frozen" => Field::Frozen,
        _ => return None,
    })
}

fn of_account(name: &str) -> Option<Field> {
    Some(match name {
        "id" => Field::AccountId,
        "username" => Field::AccountUsername,
        "status" => Field::AccountStatus,
        _ => return None,
    })
}

fn no_field(record: &str, name: &str, known: &[&str]) -> String {
    if name == "attributes" {
        return format!("name one of the attributes: `{record}.attributes.name` or `{record}.attributes['the-name']`");
    }
    let free = format!("a free attribute is `{record}.attributes.{name}`");
    match nearest(name, known.iter().copied()).as_slice() {
        [] => format!("`{record}` has no `{name}`; {free}"),
        near => format!(
            "`{record}` has no `{name}`; did you mean {}? {}{}",
            one_of(near),
            free[..1].to_uppercase(),
            &free[1..]
        ),
    }
}

fn no_function(name: &str) -> String {
    let operators = name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    if operators {
        return "this operator is not offered".to_owned();
    }
    match nearest(name, Function::ALL.map(Function::name)).as_slice() {
        [] => format!("there is no function `{name}`; there is {}", Function::ALL.map(Function::name).join(", ")),
        near => format!("there is no function `{name}`; did you mean {}?", one_of(near)),
    }
}
