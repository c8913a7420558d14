//! The life of a box from its first start: empty SGCONFIG, the same again, the suggestion completed, bad files.
