//! A tag that somebody presents: the core says what it would do, the charge point's gate whether it may.

use site_core::Presented;
use tokio::sync::oneshot;

use super::{LocalTag, Runtime};
use crate::buses::Buses;
use crate::ocpp::{About, Presentation, Shown};

impl<B: Buses> Runtime<B> {
    pub(super) fn present(&mut self, tag: LocalTag, reply: Option<oneshot::Sender<Shown>>) {
        let LocalTag {
            charge_point,
            connector,
            id_tag,
        } = tag;
        let presented = self.parts.site.presented(&charge_point, connector, &id_tag);
        let (about, shown) = match presented {
            Presented::Start => (Some(About::Start), Shown::Accepted),
            Presented::Stop {
                session,
                began,
                parent,
            } => {
                let about = About::Stop {
                    session,
                    began,
                    parent,
                };
                (Some(about), Shown::Stops)
            }
            Presented::Waits => (None, Shown::Accepted),
            Presented::Refused(reason) => (None, Shown::Refused(reason.as_str())),
        };
        match (about, reply) {
            (Some(about), reply) => self.parts.stations.present(
                &charge_point,
                Presentation {
                    id: None,
                    connector: Some(connector),
                    id_tag,
                    about,
                    reply,
                },
            ),
            (None, Some(reply)) => {
                // Whoever presented it may have hung up.
                let _unheard = reply.send(shown);
            }
            (None, None) => {
                tracing::debug!(%charge_point, %connector, "A presented tag changes nothing: {shown:?}")
            }
        }
    }
}
