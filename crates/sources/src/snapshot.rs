//! Views that stand still while they are read.
