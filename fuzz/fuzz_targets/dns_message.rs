//! DNS messages of clients and servers: any bytes end in a message or an error, and an answer that was read is read the same again.

#![no_main]

use cofferdam_resolver::wire::{Answering, Query, Reply, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Query::read(bytes);
    let Ok(reply) = Reply::read(bytes) else { return };
    let to = Answering { id: reply.id, recursion_desired: true, rcode: reply.rcode };
    let mut writer = Writer::answer(to, &reply.echoed, usize::from(u16::MAX));
    writer.answers(reply.answers.iter().map(|record| (record, record.ttl)));
    let again = Reply::read(&writer.finish(None, None));
    if let Ok(again) = again
        && !again.truncated
    {
        assert_eq!(again.answers, reply.answers);
    }
});
