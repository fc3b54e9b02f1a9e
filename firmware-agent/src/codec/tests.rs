//! What is framed is read again, in every framing, behind whatever came before.

use hw_profiles::Table;
use proptest::prelude::*;

use super::*;

/// A request, and what a device may answer to it.
fn exchange() -> impl Strategy<Value = (Request, Answer)> {
    let read = (0..4_usize, any::<u16>(), 1..=125_u16).prop_flat_map(|(table, address, count)| {
        let table = [Table::Coil, Table::Discrete, Table::Holding, Table::Input][table];
        let word = if table.is_bits() {
            (0..=1_u16).boxed()
        } else {
            any::<u16>().boxed()
        };
        let request = Request::Read {
            table,
            address,
            count,
        };
        let words = proptest::collection::vec(word, usize::from(count));
        (Just(request), words.prop_map(Answer::Registers))
    });
    let multiple = (
        any::<u16>(),
        proptest::collection::vec(any::<u16>(), 1..=123),
    );
    let write = prop_oneof![
        (any::<u16>(), any::<bool>()).prop_map(|(address, on)| Request::WriteCoil { address, on }),
        (any::<u16>(), any::<u16>())
            .prop_map(|(address, value)| Request::WriteSingle { address, value }),
        multiple.prop_map(|(address, values)| Request::WriteMultiple { address, values }),
    ];
    let any_request = prop_oneof![read.clone().prop_map(|(request, _)| request), write.clone()];
    let refusal = (any_request, any::<u8>());
    prop_oneof![
        read,
        write.prop_map(|request| (request, Answer::Written)),
        refusal.prop_map(|(request, code)| (request, Answer::Exception(ExceptionCode(code)))),
    ]
}

/// The protocol data unit of an answer, as the specification describes it.
fn pdu_of(request: &Request, answer: &Answer) -> Vec<u8> {
    let mut pdu = vec![request.function()];
    match (answer, request) {
        (Answer::Exception(code), _) => return vec![request.function() | 0x80, code.0],
        (Answer::Written, _) => pdu.extend(&request.encode()[1..5]),
        (Answer::Registers(bits), Request::Read { table, .. }) if table.is_bits() => {
            let mut bytes = vec![0_u8; bits.len().div_ceil(8)];
            for (index, bit) in bits.iter().enumerate() {
                bytes[index / 8] |= u8::try_from(*bit).unwrap() << (index % 8);
            }
            pdu.push(u8::try_from(bytes.len()).unwrap());
            pdu.extend(bytes);
        }
        (Answer::Registers(words), _) => {
            pdu.push(u8::try_from(words.len() * 2).unwrap());
            pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        }
    }
    pdu
}

/// The frame of an answer, made by hand: RTU, ASCII, TCP.
fn framed(unit: u8, pdu: &[u8]) -> [Vec<u8>; 3] {
    let body = [&[unit], pdu].concat();
    let mut rtu = body.clone();
    rtu.extend(rtu::crc16(&body).to_le_bytes());
    let checked = [&body[..], &[ascii::lrc(&body)]].concat();
    let digits: String = checked.iter().map(|byte| format!("{byte:02X}")).collect();
    let ascii = format!(":{digits}\r\n").into_bytes();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let tcp = [&[0x12, 0x34, 0, 0], &length[..], &body].concat();
    [rtu, ascii, tcp]
}

proptest! {
    #[test]
    fn every_answer_is_read_as_it_was_framed((request, answer) in exchange(), unit: u8) {
        let pdu = pdu_of(&request, &answer);
        let [rtu_frame, ascii_frame, tcp_frame] = framed(unit, &pdu);
        let found = Some((0, answer.clone()));
        prop_assert_eq!(&rtu::find_answer(&rtu_frame, unit, &request), &found);
        prop_assert_eq!(&ascii::find_answer(&ascii_frame, unit, &request), &found);
        let frame = tcp::first_frame(&tcp_frame).unwrap().unwrap();
        prop_assert_eq!((frame.transaction, frame.unit, frame.len), (0x1234, unit, tcp_frame.len()));
        prop_assert_eq!(request.decode_answer(frame.pdu), Ok(answer.clone()));
        if !matches!(answer, Answer::Exception(_)) {
            let lengths = [
                rtu::answer_len(&request),
                ascii::answer_len(&request),
                tcp::answer_len(&request),
            ];
            prop_assert_eq!(lengths, [rtu_frame.len(), ascii_frame.len(), tcp_frame.len()]);
        }
    }

    #[test]
    fn every_request_carries_its_unit_and_its_protocol_data_unit(
        (request, _) in exchange(), unit: u8, transaction: u16,
    ) {
        let pdu = request.encode();
        let [rtu_frame, ascii_frame, mut tcp_frame] = framed(unit, &pdu);
        tcp_frame[..2].copy_from_slice(&transaction.to_be_bytes());
        prop_assert_eq!(rtu::encode(unit, &request), rtu_frame);
        prop_assert_eq!(ascii::encode(unit, &request), ascii_frame);
        prop_assert_eq!(tcp::encode(transaction, unit, &request), tcp_frame);
    }

    #[test]
    fn an_answer_to_another_unit_or_function_is_none(
        (request, answer) in exchange(), (other, _) in exchange(), unit: u8, by in 1u8..,
    ) {
        let pdu = pdu_of(&request, &answer);
        let [rtu_frame, ascii_frame, _] = framed(unit.wrapping_add(by), &pdu);
        prop_assert_eq!(rtu::find_answer(&rtu_frame, unit, &request), None);
        prop_assert_eq!(ascii::find_answer(&ascii_frame, unit, &request), None);
        if other.function() != request.function() {
            prop_assert!(other.decode_answer(&pdu).is_err());
            let [rtu_frame, ascii_frame, _] = framed(unit, &pdu);
            prop_assert_eq!(rtu::find_answer(&rtu_frame, unit, &other), None);
            prop_assert_eq!(ascii::find_answer(&ascii_frame, unit, &other), None);
        }
    }
}
