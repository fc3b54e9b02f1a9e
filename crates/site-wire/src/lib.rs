//! The versioned messages between site and cloud, and the topics they travel on.
//!
//! Every published shape stays in its version module; golden files in `golden/` are never edited.
//! The rest of the code sees the model: conversions live here, and bad input stops here.

pub mod topics;
pub mod v1;
