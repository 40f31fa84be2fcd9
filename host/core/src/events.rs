//! From events to requests: what happens to people and to what gives them access, and which operations that raises on
//! which accounts. It decides from records that are handed to it; it never opens a request, and never looks at a
//! target.

mod again;
mod guard;
mod lane;
mod raising;
mod table;

pub use again::{About, NotAgain, not_again};
pub use guard::{GuardPolicy, Tally, held, held_unsurveyed};
pub use lane::{Lane, is_unstarted};
pub use raising::{Change, Raise, Raising, amiss, called_off, raise};
pub use table::{DirectoryEvent, Row, TABLE, row};

#[cfg(test)]
mod properties;
