//! An expression as it is evaluated: a tree in which every name has been found and every node knows where it was
//! written. There are no objects in it: `user` and `account` are only ever asked for one of their attributes.

use super::functions::Function;
use super::{ExpressionError, UsedAttributes};

/// A place in the text, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    pub fn error(self, why: impl Into<String>) -> ExpressionError {
        ExpressionError { line: self.line, column: self.column, why: why.into() }
    }
}

/// What was read.
#[derive(Debug)]
pub(super) struct Program {
    pub root: Node,
    /// The attributes of the user that it uses.
    pub of_user: UsedAttributes,
    /// The attributes of the account that it uses.
    pub of_account: UsedAttributes,
    /// The first place that speaks of the account, as an error.
    pub names_account: Option<ExpressionError>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub at: Place,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Node>),
    /// The element of a loop around, counted from the outermost.
    Element(usize),
    Field(Field),
    /// Whether there is one.
    Has(Field),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    If(Box<[Node; 3]>),
    Binary(Binary, Box<[Node; 2]>),
    Call(Function, Vec<Node>),
    Loop(Box<Loop>),
}

/// Something of the user or the account.
#[derive(Debug)]
pub(super) enum Field {
    Id,
    Username,
    Email,
    FirstName,
    LastName,
    Profile,
    Manager,
    PermissionSets,
    Active,
    Frozen,
    Attribute(Box<Node>),
    AccountId,
    AccountUsername,
    AccountStatus,
    AccountAttribute(Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Index,
}

/// One of the macros over lists.
#[derive(Debug)]
pub(super) struct Loop {
    pub kind: LoopKind,
    pub over: Node,
    /// Only elements for which it holds, for `map` with three arguments and `filter`.
    pub when: Option<Node>,
    /// What is asked or made of an element.
    pub body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Map,
}
