//! What holds for several kinds alike: suites, which the files of the kinds run over their own.

pub(crate) mod conformance;
pub(crate) mod counting;
pub(crate) mod descriptor_zero;
pub(crate) mod golden;
pub(crate) mod kind_tests;
pub(crate) mod lent_array;
pub(crate) mod lent_name;
pub(crate) mod operations;
pub(crate) mod positions;
pub(crate) mod sorts;
