//! The real binaries around a simulated site: started on free ports in a folder of their own,
//! watched, and stopped. The demo, the scenarios and the benches stand on it.

mod api;
mod cloud;
mod gateway;
mod process;
mod site;
mod wait;

pub use api::{Answer, Api, Credential};
pub use cloud::{Cloud, CloudOptions, CloudTls, Enrolled, Tenant};
pub use gateway::{Gateway, MqttLink};
pub use process::{Binaries, Process};
pub use site::{Connector, SimulatedSite};
pub use wait::until;
