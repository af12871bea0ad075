//! The bounded reader and writer.

use format::wire::{Reader, WireError, Writer};
use proptest::prelude::*;

proptest! {
    // Written then read is identity, and nothing is left.
    #[test]
    fn every_field_reads_back(
        a in any::<u8>(), b in any::<u16>(), c in any::<u32>(), d in any::<u64>(), e in any::<i64>(),
        v in any::<u64>(), s in any::<i64>(), bytes in prop::collection::vec(any::<u8>(), 0..300), f in any::<bool>(),
    ) {
        let mut out = Writer::default();
        out.u8(a).u16(b).u32(c).u64(d).i64(e).varint(v).varint_signed(s).bytes(&bytes).flag(f).raw(b"end");
        let out = out.finish();
        let mut fields = Reader::new(&out);
        prop_assert_eq!(fields.u8(), Ok(a));
        prop_assert_eq!(fields.u16(), Ok(b));
        prop_assert_eq!(fields.u32(), Ok(c));
        prop_assert_eq!(fields.u64(), Ok(d));
        prop_assert_eq!(fields.i64(), Ok(e));
        prop_assert_eq!(fields.varint(), Ok(v));
        prop_assert_eq!(fields.varint_signed(), Ok(s));
        prop_assert_eq!(fields.bytes(300), Ok(bytes.as_slice()));
        prop_assert_eq!(fields.flag(), Ok(f));
        prop_assert_eq!(fields.array(), Ok(*b"end"));
        prop_assert_eq!(fields.finish(), Ok(()));
    }

    // A varint has one encoding: what reads as a number is what that number writes.
    #[test]
    fn a_varint_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        let mut fields = Reader::new(&bytes);
        if let Ok(value) = fields.varint() {
            let mut again = Writer::default();
            again.varint(value);
            prop_assert_eq!(again.as_slice(), &bytes[..bytes.len() - fields.rest().len()]);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    assert_eq!(Reader::new(&[1]).u16(), Err(WireError::Truncated));
    assert_eq!(Reader::new(&[5, 1, 2]).bytes(9), Err(WireError::Truncated));
    let long = WireError::TooLong { len: 5, limit: 4 };
    assert_eq!(Reader::new(&[5, 1, 2]).bytes(4), Err(long));
    assert_eq!(
        Reader::new(&[0x80, 0]).varint(),
        Err(WireError::BadValue("varint"))
    );
    assert_eq!(
        Reader::new(&[0xff; 10]).varint(),
        Err(WireError::BadValue("varint"))
    );
    assert_eq!(Reader::new(&[0xff; 9]).varint(), Err(WireError::Truncated));
    assert_eq!(Reader::new(&[2]).flag(), Err(WireError::BadValue("flag")));
    assert_eq!(
        Reader::new(&[1, 0xff]).text(4),
        Err(WireError::BadValue("text"))
    );
    assert_eq!(Reader::new(&[1, 2]).finish(), Err(WireError::Trailing(2)));
    let mut most = Writer::default();
    most.varint(u64::MAX);
    assert_eq!(Reader::new(most.as_slice()).varint(), Ok(u64::MAX));
}
