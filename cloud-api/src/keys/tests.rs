//! Keys against a real database.
