//! User data to text by alphabet (TS 23.038 clause 6).
