//! stub
struct Scim;
impl gatehouse_connector::Connector for Scim {
    fn describe() -> gatehouse_connector::Description {
        gatehouse_connector::Description::new("scim", env!("CARGO_PKG_VERSION"), "SCIM")
    }
}
gatehouse_connector::register!(Scim);
