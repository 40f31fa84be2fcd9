//! Evaluating a program for one user. Every node costs something, and so does everything that is copied or made; when
//! the budget is spent, the evaluation fails. So no expression takes longer or more memory than that, whatever it is
//! and whoever it is for.

use super::ExpressionError;
use super::program::{Binary, Field, Kind, Loop, LoopKind, Node, Program};
use super::value::Value;
use crate::User;
use gatehouse_schema::{Account as RemoteAccount, Status};

/// What an evaluation may cost: a node, an element, or 16 bytes of text each cost one. Some milliseconds at most.
const MAX_COST: usize = 100_000;

/// Whom an expression is evaluated for.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    user: &'a User,
    account: Option<&'a RemoteAccount>,
}

impl<'a> Facts<'a> {
    /// For a user.
    pub fn of(user: &'a User) -> Self {
        Self { user, account: None }
    }

    /// For a user and an account that may be theirs.
    pub fn of_pair(user: &'a User, account: &'a RemoteAccount) -> Self {
        Self { user, account: Some(account) }
    }
}

pub(super) fn evaluate<'a>(program: &'a Program, facts: &Facts<'a>) -> Result<Value<'a>, ExpressionError> {
    Evaluation { facts: *facts, left: MAX_COST, elements: Vec::new() }.node(&program.root)
}

struct Evaluation<'a> {
    facts: Facts<'a>,
    left: usize,
    elements: Vec<Value<'a>>,
}

type Evaluated<'a> = Result<Value<'a>, ExpressionError>;

impl<'a> Evaluation<'a> {
    fn node(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.spend(1, node)?;
        match &node.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Bool(truth) => Ok(Value::Bool(*truth)),
            Kind::Int(number) => Ok(Value::Int(*number)),
            Kind::Text(text) => Ok(Value::text(text.as_str())),
            Kind::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.push(self.node(item)?);
                }
                Ok(Value::List(list))
            }
            Kind::Element(no) => {
                let weight = self.elements.get(*no).map_or(1, Value::weight);
                self.spend(weight, node)?;
                Ok(self.elements.get(*no).cloned().unwrap_or(Value::Null))
            }
            Kind::Field(field) => self.field(field, node),
            Kind::Has(field) => {
                let value = self.field(field, node)?;
                Ok(Value::Bool(
                    !matches!(&value, Value::Null) && !matches!(&value, Value::List(items) if items.is_empty()),
                ))
            }
            Kind::Not(of) => self.truth(of).map(|truth| Value::Bool(!truth)),
            Kind::Negate(of) => match self.node(of)? {
                Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(|| node.at.error(TOO_LARGE)),
                other => Err(node.at.error(format!("`-` takes a number, and is given {}", other.kind()))),
            },
            Kind::And(sides) => self.either(sides, false),
            Kind::Or(sides) => self.either(sides, true),
            Kind::If(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                if self.truth(condition)? { self.node(then) } else { self.node(otherwise) }
            }
            Kind::Binary(operator, sides) => {
                let [left, right] = sides.as_ref();
                let (left, right) = (self.node(left)?, self.node(right)?);
                self.binary(*operator, left, right, node)
            }
            Kind::Call(function, arguments) => {
                let mut given = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    given.push(self.node(argument)?);
                }
                self.spend(function.weight(&given), node)?;
                function.call(given).map_err(|why| node.at.error(format!("`{}`: {why}", function.name())))
            }
            Kind::Loop(of) => self.repeat(of, node),
        }
    }

    fn spend(&mut self, cost: usize, node: &Node) -> Result<(), ExpressionError> {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(node.at.error("it takes too long for this user: it makes too much, or goes through too much")),
        }
    }

    fn truth(&mut self, node: &'a Node) -> Result<bool, ExpressionError> {
        match self.node(node)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(node.at.error(format!("true or false is needed here, and this is {}", other.kind()))),
        }
    }

    /// `&&` and `||`: a side that settles it makes up for one that fails, as CEL has it.
    fn either(&mut self, sides: &'a [Node; 2], settles: bool) -> Evaluated<'a> {
        let left = self.truth(&sides[0]);
        if left.as_ref() == Ok(&settles) {
            return Ok(Value::Bool(settles));
        }
        let right = self.truth(&sides[1]);
        if right.as_ref() == Ok(&settles) {
            return Ok(Value::Bool(settles));
        }
        left?;
        right.map(Value::Bool)
    }

    fn repeat(&mut self, of: &'a Loop, node: &'a Node) -> Evaluated<'a> {
        let items = match self.node(&of.over)? {
            Value::List(items) => items,
            Value::Null => Vec::new(),
            other => return Err(of.over.at.error(format!("a list is needed here, and this is {}", other.kind()))),
        };
        let (mut made, mut count, mut failed) = (Vec::new(), 0_usize, None);
        for item in items {
            self.spend(1, node)?;
            self.elements.push(item);
            let outcome = self.element(of);
            self.elements.pop();
            match (of.kind, outcome) {
                (_, Ok(None)) => {}
                (LoopKind::Map, Ok(Some(value))) => made.push(value),
                (LoopKind::All, Ok(Some(Value::Bool(false)))) => return Ok(Value::Bool(false)),
                (LoopKind::Exists, Ok(Some(Value::Bool(true)))) => return Ok(Value::Bool(true)),
                (LoopKind::ExistsOne, Ok(Some(Value::Bool(true)))) => count += 1,
                (_, Ok(Some(_))) => {}
                // An element for which it cannot be told matters only if no other settles it.
                (LoopKind::All | LoopKind::Exists, Err(error)) => drop(failed.get_or_insert(error)),
                (_, Err(error)) => return Err(error),
            }
        }
        match (of.kind, failed) {
            (_, Some(error)) => Err(error),
            (LoopKind::Map, None) => Ok(Value::List(made)),
            (LoopKind::All, None) => Ok(Value::Bool(true)),
            (LoopKind::Exists, None) => Ok(Value::Bool(false)),
            (LoopKind::ExistsOne, None) => Ok(Value::Bool(count == 1)),
        }
    }

    /// What a loop makes of its element; none if the element is left out.
    fn element(&mut self, of: &'a Loop) -> Result<Option<Value<'a>>, ExpressionError> {
        if let Some(when) = &of.when
            && !self.truth(when)?
        {
            return Ok(None);
        }
        match of.kind {
            LoopKind::Map => self.node(&of.body).map(Some),
            _ => self.truth(&of.body).map(|truth| Some(Value::Bool(truth))),
        }
    }

    fn field(&mut self, field: &'a Field, node: &'a Node) -> Evaluated<'a> {
        let Facts { user, account } = self.facts;
        let value = match field {
            Field::Id => Value::text(user.id.to_string()),
            Field::Username => Value::text(user.username.as_str()),
            Field::Email => Value::optional(user.email.as_deref()),
            Field::FirstName => Value::optional(user.first_name.as_deref()),
            Field::LastName => Value::optional(user.last_name.as_deref()),
            Field::Profile => Value::optional(user.profile.as_deref()),
            Field::Manager => match (user.manager, user.manager_username.as_deref()) {
                (Some(manager), None) => {
                    return Err(node.at.error(format!("the user's manager, {manager}, is not to be found")));
                }
                (Some(_), username) => Value::optional(username),
                (None, _) => Value::Null,
            },
            Field::PermissionSets => Value::texts(user.permission_sets.iter().map(String::as_str)),
            Field::Active => Value::Bool(user.active),
            Field::Frozen => Value::Bool(user.frozen),
            Field::Attribute(name) => {
                let name = self.name(name)?;
                Value::texts(user.attributes.get(name.as_ref()).into_iter().flatten().map(String::as_str))
            }
            _ => {
                let account = account.ok_or_else(|| node.at.error("there is no account here"))?;
                self.field_of_account(field, account)?
            }
        };
        self.spend(value.weight(), node)?;
        Ok(value)
    }

    fn field_of_account(&mut self, field: &'a Field, account: &'a RemoteAccount) -> Evaluated<'a> {
        Ok(match field {
            Field::AccountId => Value::text(account.external_id.as_str()),
            Field::AccountUsername => Value::text(account.username.as_str()),
            Field::AccountStatus => Value::text(match account.status {
                Status::Active => "Active",
                Status::Deactivated => "Deactivated",
                Status::Deleted => "Deleted",
            }),
            Field::AccountAttribute(name) => {
                let name = self.name(name)?;
                let values = account.attributes.get(name.as_ref()).into_iter().flatten();
                Value::texts(values.map(|value| value.text.as_str()))
            }
            _ => Value::Null,
        })
    }

    fn name(&mut self, node: &'a Node) -> Result<std::borrow::Cow<'a, str>, ExpressionError> {
        match self.node(node)? {
            Value::Text(name) => Ok(name),
            other => {
                Err(node.at.error(format!("the name of an attribute is needed here, and this is {}", other.kind())))
            }
        }
    }

    fn binary(&mut self, operator: Binary, left: Value<'a>, right: Value<'a>, node: &'a Node) -> Evaluated<'a> {
        use Value::{Bool, Int, List, Null, Text};
        // What is made weighs as much as both sides, and so does comparing them.
        self.spend(left.weight().saturating_add(right.weight()), node)?;
        let counted = |number: Option<i64>| number.map(Int).ok_or_else(|| node.at.error(TOO_LARGE));
        match (operator, left, right) {
            (Binary::Equal, left, right) => Ok(Bool(left == right)),
            (Binary::Unequal, left, right) => Ok(Bool(left != right)),
            (Binary::In, left, List(items)) => Ok(Bool(items.contains(&left))),
            (Binary::In, _, Null) => Ok(Bool(false)),
            (Binary::Add, Text(left), Text(right)) => Ok(Value::text(left.into_owned() + &right)),
            (Binary::Add, List(mut left), List(right)) => {
                left.extend(right);
                Ok(List(left))
            }
            (Binary::Add, Int(left), Int(right)) => counted(left.checked_add(right)),
            // A text that is made with a missing part is missing.
            (Binary::Add, Null, Text(_) | Null) | (Binary::Add, Text(_), Null) => Ok(Null),
            (Binary::Subtract, Int(left), Int(right)) => counted(left.checked_sub(right)),
            (Binary::Multiply, Int(left), Int(right)) => counted(left.checked_mul(right)),
            (Binary::Divide | Binary::Remainder, Int(_), Int(0)) => Err(node.at.error("it divides by zero")),
            (Binary::Divide, Int(left), Int(right)) => counted(left.checked_div(right)),
            (Binary::Remainder, Int(left), Int(right)) => counted(left.checked_rem(right)),
            (Binary::Index, List(mut items), Int(at)) => match usize::try_from(at) {
                Ok(at) if at < items.len() => Ok(items.swap_remove(at)),
                _ => Err(node
                    .at
                    .error(format!("the list has no element {at}; `first()` gives null where there is none"))),
            },
            (operator, left, right) => self.ordered(operator, &left, &right, node),
        }
    }

    fn ordered(&self, operator: Binary, left: &Value<'a>, right: &Value<'a>, node: &'a Node) -> Evaluated<'a> {
        let order = match (left, right) {
            (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
            (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
            (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
            _ => None,
        };
        let holds = order.and_then(|order| match operator {
            Binary::Less => Some(order.is_lt()),
            Binary::LessOrEqual => Some(order.is_le()),
            Binary::Greater => Some(order.is_gt()),
            Binary::GreaterOrEqual => Some(order.is_ge()),
            _ => None,
        });
        holds.map(Value::Bool).ok_or_else(|| {
            let (left, right) = (left.kind(), right.kind());
            node.at.error(format!("`{}` cannot be used on {left} and {right}", operator.sign()))
        })
    }
}

const TOO_LARGE: &str = "the number becomes too large";

impl Binary {
    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Index => "[]",
        }
    }
}
