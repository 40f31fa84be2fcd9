//! The work as a Gatehouse connector.

gatehouse_connector::register!(bench_work::Work);
