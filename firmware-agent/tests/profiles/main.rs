//! What the driver makes of the built-in profiles: frames, poll plans, set-points.

mod frames;
mod limits;
mod plans;
