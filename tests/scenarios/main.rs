//! End-to-end scenarios: the real binaries on free ports, real serial lines (ptys), sockets, SQLite
//! and brokers, against simulated hardware and against independent parts.

#![expect(clippy::too_many_lines, reason = "a scenario is told in one piece")]

mod backlog;
mod bad_input;
mod charging;
mod commands;
mod demo_command;
mod disk;
mod documentation;
mod independent;
mod independent_devices;
mod main_path;
mod ocpp_access;
mod ocpp_calls;
mod ocpp_certificates;
mod ocpp_commands;
mod ocpp_depot;
mod ocpp_doors;
mod ocpp_hostile;
mod ocpp_moves;
mod ocpp_reset;
mod ocpp_sessions;
mod ocpp_site;
mod old_copy;
mod outages;
mod partition;
mod peers;
mod quotas;
mod scan;
mod station;
mod station_calls;
mod station_meters;
mod station_security;
mod tls;
