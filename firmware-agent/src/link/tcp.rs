//! Modbus TCP connections.

use std::io;
use std::time::Duration;

use site_model::DeviceFault;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Opener;

/// A device on the same site answers a connection within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Connects to one device or gateway.
#[derive(Debug)]
pub(crate) struct TcpOpener {
    host: String,
    port: u16,
}

impl TcpOpener {
    pub(crate) fn new(host: String, port: u16) -> Self {
        Self { host, port }
    }

    fn fault(&self, what: &str, remedy: &str) -> DeviceFault {
        DeviceFault {
            message: format!("{}:{} {what}.", self.host, self.port),
            remedy: remedy.to_owned(),
        }
    }

    fn refusal(&self, error: &io::Error) -> DeviceFault {
        let kind = error.kind();
        if kind == io::ErrorKind::ConnectionRefused {
            return self.fault(
                "refuses the connection",
                "Enable Modbus TCP in the device and check the port; some devices take one connection only.",
            );
        }
        self.fault(
            &format!("cannot be connected to: {error}"),
            "Check host name, address, network cable and power.",
        )
    }
}

impl Opener for TcpOpener {
    type Stream = TcpStream;

    async fn open(&mut self) -> Result<TcpStream, DeviceFault> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| {
                self.fault(
                    &format!("does not answer within {} s", CONNECT_TIMEOUT.as_secs()),
                    "Check that the device has power and that the address is right.",
                )
            })?
            .map_err(|error| self.refusal(&error))?;
        // A request is one small packet and must not wait for more to come.
        stream
            .set_nodelay(true)
            .map_err(|error| self.refusal(&error))?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_connection_says_what_to_do() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let fault = TcpOpener::new("127.0.0.1".to_owned(), port)
            .open()
            .await
            .unwrap_err();
        assert_eq!(
            fault.message,
            format!("127.0.0.1:{port} refuses the connection.")
        );
        assert!(fault.remedy.starts_with("Enable Modbus TCP"), "{fault:?}");
    }
}
