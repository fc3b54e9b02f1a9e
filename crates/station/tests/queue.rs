//! In which order transactions are told, how often, and what is left out.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::time::Duration;

use ocpp::v16::{
    AuthorizationStatus, IdTagInfo, MeterValue, MeterValuesRequest, MeterValuesResponse,
    SampledValue, StartTransactionRequest, StartTransactionResponse, StopTransactionRequest,
    StopTransactionResponse, V16,
};
use ocpp::{ErrorCode, Fate, SomeOf, Text, Time};
use station::queue::{
    Head, Message, Next, PAUSE_MAX, StartToldAs, Step, Tries, WaitingMeter, thinned,
};

const TRIES: Tries = Tries {
    attempts: 3,
    interval: Duration::from_secs(60),
};

fn at(second: i64) -> Time {
    Time::from_unix_ms(second * 1000).unwrap()
}

fn start() -> StartTransactionRequest {
    StartTransactionRequest::new(1, Text::new("TAG").unwrap(), 100, at(10))
}

fn meter() -> MeterValuesRequest {
    let samples = SomeOf::new(vec![SampledValue::new("150".into())]).unwrap();
    MeterValuesRequest::new(
        1,
        SomeOf::new(vec![MeterValue::new(samples, at(20))]).unwrap(),
    )
}

fn stop() -> StopTransactionRequest {
    StopTransactionRequest::new(200, at(30), 0)
}

fn step(message: Message, told: StartToldAs) -> Step {
    Head {
        message,
        refused: 0,
    }
    .step(told)
}

fn refused() -> Fate<V16> {
    Fate::Refused {
        code: ErrorCode::InternalError,
        description: String::new(),
        details: ocpp::Any(().into()).0,
    }
}

#[test]
fn meter_values_and_stop_carry_the_id_their_start_was_given_and_their_own_times() {
    assert_eq!(
        step(Message::Start(start()), StartToldAs::NotYet),
        Step::Send(start().into())
    );
    let mut expected = meter();
    expected.transaction_id = Some(77);
    assert_eq!(
        step(Message::Meter(meter()), StartToldAs::Id(77)),
        Step::Send(expected.into())
    );
    let mut expected = stop();
    expected.transaction_id = 77;
    assert_eq!(
        step(Message::Stop(stop()), StartToldAs::Id(77)),
        Step::Send(expected.into())
    );
}

#[test]
fn what_was_sent_once_is_sent_again_word_for_word() {
    let mut sent = stop();
    sent.transaction_id = 77;
    let frozen = Message::Frozen(sent.clone().into());
    for told in [
        StartToldAs::Id(78),
        StartToldAs::NotYet,
        StartToldAs::SetAside,
    ] {
        assert_eq!(step(frozen.clone(), told), Step::Send(sent.clone().into()));
    }
}

#[test]
fn without_a_start_there_is_no_id_and_none_is_invented() {
    let gone = Step::SetAside("the start of its transaction was set aside");
    assert_eq!(step(Message::Stop(stop()), StartToldAs::SetAside), gone);
    assert_eq!(step(Message::Meter(meter()), StartToldAs::SetAside), gone);
    let early = Step::SetAside("it lies before the start of its transaction");
    assert_eq!(step(Message::Stop(stop()), StartToldAs::NotYet), early);
}

#[test]
fn an_answer_tells_the_id_and_what_the_tag_may() {
    let info = IdTagInfo::new(AuthorizationStatus::Blocked);
    let answered = Fate::Answered(StartTransactionResponse::new(info.clone(), 77).into());
    let told = Next::Told {
        transaction_id: Some(77),
        id_tag_info: Some(info.clone()),
    };
    assert_eq!(TRIES.after(&answered, 2, 9), told);
    let stopped = StopTransactionResponse {
        id_tag_info: Some(info.clone()),
    };
    let told = Next::Told {
        transaction_id: None,
        id_tag_info: Some(info),
    };
    assert_eq!(TRIES.after(&Fate::Answered(stopped.into()), 0, 1), told);
    let told = Next::Told {
        transaction_id: None,
        id_tag_info: None,
    };
    assert_eq!(
        TRIES.after(&Fate::Answered(MeterValuesResponse::default().into()), 0, 1),
        told
    );
}

#[test]
fn a_refused_message_is_tried_with_growing_pauses_and_then_set_aside() {
    let again = |seconds, refused| Next::Again {
        after: Duration::from_secs(seconds),
        refused,
    };
    assert_eq!(TRIES.after(&refused(), 0, 1), again(60, 1));
    assert_eq!(TRIES.after(&refused(), 1, 2), again(120, 2));
    assert_eq!(TRIES.after(&refused(), 2, 3), Next::SetAside);
    let once = Tries {
        attempts: 1,
        ..TRIES
    };
    assert_eq!(once.after(&refused(), 0, 1), Next::SetAside);
}

#[test]
fn silence_is_no_refusal_and_nothing_is_given_up_for_it() {
    let again = |after, refused| Next::Again { after, refused };
    assert_eq!(
        TRIES.after(&Fate::TimedOut, 2, 1),
        again(Duration::from_secs(60), 2)
    );
    assert_eq!(
        TRIES.after(&Fate::TimedOut, 2, 1_000_000),
        again(PAUSE_MAX, 2)
    );
    assert_eq!(
        TRIES.after(&Fate::TimedOut, 2, u32::MAX),
        again(PAUSE_MAX, 2)
    );
    for fate in [Fate::Lost, Fate::NotSent] {
        assert_eq!(
            TRIES.after(&fate, 2, 5),
            again(Duration::ZERO, 2),
            "the new socket is the pause"
        );
    }
}

fn waiting(sessions: &str) -> Vec<WaitingMeter> {
    (1..)
        .zip(sessions.chars())
        .map(|(number, letter)| WaitingMeter {
            number,
            session: letter.to_ascii_lowercase().into(),
            frozen: letter.is_ascii_uppercase(),
        })
        .collect()
}

#[test]
fn the_session_with_most_meter_values_loses_every_second_one() {
    assert_eq!(thinned(&waiting("aabaab"), 6), Vec::<u64>::new());
    assert_eq!(thinned(&waiting("aabaab"), 5), [2, 5]);
    assert_eq!(
        thinned(&waiting("aabaab"), 3),
        [2, 4, 5],
        "then that of the oldest session of those"
    );
}

#[test]
fn with_one_meter_value_per_session_the_oldest_goes() {
    assert_eq!(thinned(&waiting("abcd"), 2), [1, 2]);
    assert_eq!(thinned(&waiting("abcd"), 0), [1, 2, 3, 4]);
}

#[test]
fn what_was_sent_is_never_left_out() {
    assert_eq!(thinned(&waiting("Abcd"), 2), [2, 3]);
    assert_eq!(thinned(&waiting("Abcd"), 0), [2, 3, 4]);
    assert_eq!(
        thinned(&waiting("aA"), 0),
        [1],
        "the one that is left goes, the frozen one stays"
    );
}

#[test]
fn thinning_ends_at_the_bound_whatever_waits() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..500 {
        let letters: String = (0..random.usize(..80))
            .map(|_| random.char('a'..='f'))
            .collect();
        let waiting = waiting(&letters);
        let meters_max = random.usize(..80);
        let gone = thinned(&waiting, meters_max);
        let left = waiting.len() - gone.len();
        assert!(left <= meters_max, "{letters}: {left} of {meters_max}");
        assert!(
            left >= meters_max.min(waiting.len()) / 2,
            "no more than needed: {letters}, {left} of {meters_max}"
        );
    }
}
