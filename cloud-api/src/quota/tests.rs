//! Quotas against a real database.
