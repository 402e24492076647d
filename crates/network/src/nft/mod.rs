//! nf_tables through netlink: the objects of one table, and the table as the kernel has it.

mod expression;
mod object;
mod table;

pub(crate) use expression::{Ct, Expr, Header, Meta, Register, Stateful, Verdict};
pub(crate) use object::{Chain, Data, Element, Hook, Operation, Rule, Set, SetKind};
pub(crate) use table::Tables;
