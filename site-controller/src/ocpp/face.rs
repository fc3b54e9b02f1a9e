//! A charge point as its central system sees it: what it is, and the status of each connector.
//! Made from the live view, which follows from the facts.

use std::collections::BTreeMap;

use ocpp::v16::{
    BootNotificationRequest, ChargePointErrorCode, ChargePointStatus, StatusNotificationRequest,
};
use ocpp::{Text, Time};
use site_model::{Announcement, ChargePointView, ConnectorStatus, ConnectorView, Timestamp};

/// What the central system is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Face {
    /// What the charge point is.
    pub(super) boot: BootNotificationRequest,
    /// By connector; 0 is the charge point itself.
    pub(super) notices: BTreeMap<u8, Dated>,
}

/// A status and since when it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dated {
    pub(super) notice: Notice,
    /// Absent while the right time is not known.
    since: Option<Time>,
}

/// A status, without its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    status: ChargePointStatus,
    error: ChargePointErrorCode,
    info: Option<Text<50>>,
    vendor_error: Option<Text<50>>,
}

impl Face {
    /// The view at this time; a status that `before` had keeps its time.
    pub(super) fn of(view: &ChargePointView, now: &Timestamp, before: Option<&Self>) -> Self {
        let mut boot = BootNotificationRequest::new(
            Text::cut(&view.announcement.model),
            Text::cut(&view.announcement.vendor),
        );
        boot.charge_point_serial_number = view.serial.as_deref().map(Text::cut);
        boot.firmware_version = view.firmware.as_deref().map(Text::cut);
        let whole = (0, Notice::whole(view));
        let connectors = view.connectors.iter();
        let connectors = connectors.map(|view| (view.connector.get(), Notice::of(view)));
        let notices = std::iter::once(whole).chain(connectors);
        let dated = notices.map(|(number, notice)| {
            let known = before.and_then(|before| before.notices.get(&number));
            let since = known.filter(|known| known.notice == notice);
            let since = since.map_or_else(|| time_of(now), |known| known.since);
            (number, Dated { notice, since })
        });
        Self {
            boot,
            notices: dated.collect(),
        }
    }
}

impl Face {
    /// Of a charge point that is elsewhere by now, as it was announced last.
    pub(super) fn of_one_that_left(announcement: &Announcement) -> Self {
        let gone = Dated {
            notice: Notice {
                status: ChargePointStatus::Unavailable,
                error: ChargePointErrorCode::NoError,
                info: Some(Text::cut("at another central system")),
                vendor_error: None,
            },
            since: None,
        };
        let connectors = announcement.connectors.iter();
        let numbers = std::iter::once(0).chain(connectors.map(|one| one.connector.get()));
        Self {
            boot: BootNotificationRequest::new(
                Text::cut(&announcement.model),
                Text::cut(&announcement.vendor),
            ),
            notices: numbers.map(|number| (number, gone.clone())).collect(),
        }
    }
}

fn time_of(now: &Timestamp) -> Option<Time> {
    now.wall_known.then(|| Time::from_unix_ms(now.wall.0))?
}

impl Notice {
    /// A session could begin at a connector that shows this.
    pub(super) fn could_begin(&self) -> bool {
        matches!(
            self.status,
            ChargePointStatus::Available
                | ChargePointStatus::Preparing
                | ChargePointStatus::Reserved
                | ChargePointStatus::Finishing
        )
    }

    fn whole(view: &ChargePointView) -> Self {
        use site_model::ChargePointStatus as Whole;
        let status = match view.status {
            Whole::Available => ChargePointStatus::Available,
            Whole::Unavailable => ChargePointStatus::Unavailable,
            Whole::Faulted => ChargePointStatus::Faulted,
        };
        Self {
            status,
            error: error_of(status),
            info: None,
            vendor_error: None,
        }
    }

    fn of(view: &ConnectorView) -> Self {
        let status = match view.status {
            ConnectorStatus::Available => ChargePointStatus::Available,
            ConnectorStatus::Preparing => ChargePointStatus::Preparing,
            ConnectorStatus::Charging => ChargePointStatus::Charging,
            ConnectorStatus::SuspendedEvse => ChargePointStatus::SuspendedEVSE,
            ConnectorStatus::SuspendedEv => ChargePointStatus::SuspendedEV,
            ConnectorStatus::Finishing => ChargePointStatus::Finishing,
            ConnectorStatus::Reserved => ChargePointStatus::Reserved,
            ConnectorStatus::Unavailable => ChargePointStatus::Unavailable,
            ConnectorStatus::Faulted => ChargePointStatus::Faulted,
        };
        let code = view.error_code.filter(|code| *code != 0);
        Self {
            status,
            error: error_of(status),
            info: view.fault.as_ref().map(|fault| Text::cut(&fault.message)),
            vendor_error: code.map(|code| Text::cut(&code.to_string())),
        }
    }
}

/// Devices tell numbers of their own; those travel as vendor's error codes.
fn error_of(status: ChargePointStatus) -> ChargePointErrorCode {
    if status == ChargePointStatus::Faulted {
        ChargePointErrorCode::OtherError
    } else {
        ChargePointErrorCode::NoError
    }
}

impl Dated {
    /// The message for a connector.
    pub(super) fn notification(&self, connector: u8) -> StatusNotificationRequest {
        let notice = self.notice.clone();
        let mut request =
            StatusNotificationRequest::new(i64::from(connector), notice.error, notice.status);
        request.info = notice.info;
        request.timestamp = self.since;
        request.vendor_error_code = notice.vendor_error;
        request
    }
}
