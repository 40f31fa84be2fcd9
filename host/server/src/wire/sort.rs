//! In which order a list comes: `name`, or `-name` for the opposite way. What callers may ask for, the document and the
//! command line are made of the same words. It never sorts anything.

use gatehouse_core::ports::Direction;
use serde::{Deserialize, Deserializer};
use std::fmt;
use utoipa::PartialSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

/// What a list can be sorted by. Its schema is that of the orders.
pub trait SortKey: PartialSchema + Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// Every order that the list has, key by key, with the word for it.
    const ALL: &'static [(Sort<Self>, &'static str)];
    /// The order of the list if nobody asks for another.
    const USUAL: Sort<Self>;
    /// Whether it is that one whatever else is asked for.
    const ALWAYS: bool;
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort<K> {
    /// By what.
    pub key: K,
    /// Which way.
    pub direction: Direction,
}

impl<K: SortKey> Sort<K> {
    /// The words for every order that the list has.
    pub fn words() -> impl Iterator<Item = &'static str> {
        K::ALL.iter().map(|(_, word)| *word)
    }

    fn read(text: &str) -> Result<Self, String> {
        K::ALL.iter().find(|(_, word)| *word == text).map(|(sort, _)| *sort).ok_or_else(|| {
            let known: Vec<String> = Self::words().map(|word| format!("`{word}`")).collect();
            format!("this list is not sorted by `{text}`; it can be by {}", known.join(", "))
        })
    }
}

impl<K: SortKey> fmt::Display for Sort<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::ALL.iter().find(|(sort, _)| sort == self).map_or("", |(_, word)| word))
    }
}

/// The order that somebody asks for: one that the list has, or why it is none.
#[derive(Clone, Debug)]
pub struct AskedSort<K>(pub Result<Sort<K>, String>);

impl<'de, K: SortKey> Deserialize<'de> for AskedSort<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Sort::read(&String::deserialize(deserializer)?)))
    }
}

fn schema_of<K: SortKey>() -> RefOr<Schema> {
    let usual = K::ALWAYS.then(|| K::USUAL.to_string().into());
    let object = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
    let object = object.enum_values(Some(Sort::<K>::words()));
    RefOr::T(Schema::Object(object.default(usual).build()))
}

macro_rules! keys {
    (always) => {
        true
    };
    (usually) => {
        false
    };
    ($(#[$doc:meta])* $name:ident, $often:ident $way:ident: $first:ident = $first_word:literal
        $(, $(#[$more_doc:meta])* $key:ident = $word:literal)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            /// The usual one.
            $first,
            $($(#[$more_doc])* $key,)*
        }

        impl SortKey for $name {
            const ALL: &'static [(Sort<Self>, &'static str)] = &[
                (Sort { key: Self::$first, direction: Direction::Ascending }, $first_word),
                (Sort { key: Self::$first, direction: Direction::Descending }, concat!("-", $first_word)),
                $((Sort { key: Self::$key, direction: Direction::Ascending }, $word),
                (Sort { key: Self::$key, direction: Direction::Descending }, concat!("-", $word)),)*
            ];
            const USUAL: Sort<Self> = Sort { key: Self::$first, direction: Direction::$way };
            const ALWAYS: bool = keys!($often);
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                schema_of::<Self>()
            }
        }
    };
}

keys!(
    /// Of what is known by its name alone.
    ByName, always Ascending: Name = "name"
);
keys!(
    /// Of what has a name, and was made at some time.
    ByNameOrCreation, always Ascending: Name = "name",
    /// When it was made.
    CreatedAt = "created_at"
);
keys!(
    /// Of credentials.
    ByNameOrUpdate, always Ascending: Name = "name",
    /// When it was set last.
    UpdatedAt = "updated_at"
);
keys!(
    /// Of connectors; those of a name by version.
    ByNameOrInstallation, always Ascending: Name = "name",
    /// When it was installed.
    InstalledAt = "installed_at"
);
keys!(
    /// Of counters: each belongs to an app.
    ByApp, always Ascending: App = "app"
);
keys!(
    /// Of what has a number, the first one first.
    ById, always Ascending: Id = "id"
);
keys!(
    /// Of what has a number and is of interest while it is new: the last one first.
    ByIdNewestFirst, always Descending: Id = "id"
);
keys!(
    /// Of users. Those whose names begin alike come by username.
    ByIdOrUsername, usually Ascending: Id = "id",
    /// In small letters.
    Username = "username"
);
keys!(
    /// Of audit records: their places in the chain, and so their times.
    BySequence, always Descending: Sequence = "sequence"
);
keys!(
    /// Of lines of a log, in the order in which they were written.
    ByTime, always Ascending: At = "at"
);
keys!(
    /// Of rows of a collection.
    ByRow, always Ascending: No = "no"
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_order_is_read_as_it_is_written() {
        for (sort, word) in ByNameOrCreation::ALL {
            assert_eq!((Sort::read(word), sort.to_string().as_str()), (Ok(*sort), *word));
        }
        let words: Vec<&str> = Sort::<ByNameOrCreation>::words().collect();
        assert_eq!(words, ["name", "-name", "created_at", "-created_at"]);
    }

    #[test]
    fn an_order_that_the_list_has_not_is_refused_with_those_that_it_has() {
        for text in ["", "-", "--name", "+name", "Name", "created_at", "name,-name"] {
            let why = Sort::<ByName>::read(text).unwrap_err();
            assert_eq!(why, format!("this list is not sorted by `{text}`; it can be by `name`, `-name`"));
        }
    }
}
