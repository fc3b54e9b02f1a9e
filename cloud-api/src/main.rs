//! The program: reads the command line and starts the server or one administrative command.

fn main() {}
