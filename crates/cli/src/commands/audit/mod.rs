//! `cofferdam audit ...`: whether hosts, engines, containers, images and files are as they should be.

pub(super) mod host;
mod output;
