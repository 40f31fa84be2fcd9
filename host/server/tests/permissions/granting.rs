//! Nobody gets more by what they hand out: neither to themselves, nor by others.

use crate::common::{Answer, Host, component};
use crate::people::Person;
use gatehouse_core::SystemPermission::{
    CustomizeApplication, DownloadPackages, ManageConnectedApps, ManageUsers, ModifyAllData, ViewSetup,
};
use gatehouse_core::UserId;
use serde_json::json;

fn give(host: &Host, by: &Person, to: &str, profile: &str) -> Answer {
    host.call_as(&by.token, "PATCH", &format!("/users/{to}"), Some(&json!({"profile": profile})))
}

#[test]
fn a_profile_is_given_by_whoever_has_all_that_it_carries_and_never_to_oneself() {
    let host = Host::start();
    let hr = host.person("hr-admin", &[ViewSetup, ManageUsers], None);
    let eve = host.person("eve", &[], None);
    host.person("root", &[ModifyAllData], None);
    host.person("viewer", &[ViewSetup], None);
    assert_eq!(give(&host, &hr, "eve", "of viewer").status, 200);
    let refused = give(&host, &hr, "eve", "of root");
    assert_eq!((refused.status, refused.case()), (403, "forbidden"), "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("what it carries: Modify All Data"), "{refused:?}");
    let myself = give(&host, &hr, "hr-admin", "of viewer");
    assert_eq!(myself.status, 403);
    assert!(myself.body["detail"].as_str().unwrap().contains("nobody gives themselves"), "{myself:?}");
    assert_eq!(give(&host, &eve, "eve", "of root").status, 403);
    assert_eq!(host.get_as(&hr, "/users/hr-admin").body["profile"], "of hr-admin");
    let made = host.post_as(&hr, "/users", &json!({"username": "mallory", "profile": "of root"}));
    assert_eq!(made.status, 403, "{made:?}");
}

#[test]
fn an_import_gives_no_more_than_a_change_would() {
    let host = Host::start();
    let hr = host.person("hr-admin", &[ManageUsers], None);
    host.person("root", &[ModifyAllData], None);
    let rows = "username,profile\nhr-admin,of root\nbob,of root\ncarl,\n";
    let bearer = format!("Bearer {}", hr.token);
    let headers = [("authorization", bearer.as_str()), ("content-type", "text/csv")];
    let report = host.send("POST", "/api/v1/users/import", &headers, rows.as_bytes());
    assert_eq!((&report.body["failed"], &report.body["created"]), (&json!(2), &json!(1)), "{report:?}");
    assert!(report.body["errors"][0]["why"].as_str().unwrap().contains("nobody gives themselves"), "{report:?}");
    assert!(report.body["errors"][1]["why"].as_str().unwrap().contains("Modify All Data"), "{report:?}");
}

#[test]
fn nobody_makes_themselves_somebodys_manager() {
    let host = Host::start();
    let hr = host.person("hr-admin", &[ManageUsers], None);
    host.person("bob", &[], None);
    let manage = |manager| host.call_as(&hr.token, "PATCH", "/users/bob", Some(&json!({"manager": manager}))).status;
    assert_eq!(manage("hr-admin"), 403);
    host.person("carla", &[], None);
    assert_eq!(manage("carla"), 200);
}

#[test]
fn what_goes_into_a_profile_or_a_group_is_bounded_alike() {
    let host = Host::start();
    let hr = host.person("hr-admin", &[ViewSetup, ManageUsers], None);
    let caller = host.wait(host.services.authenticate(&hr.token)).unwrap().unwrap();
    let put = |before: &[_], after: &[_]| {
        let set = |permissions: &[_]| permissions.iter().copied().collect();
        host.services.may_put_into(&caller, &set(before), &set(after)).is_ok()
    };
    assert!(put(&[], &[ViewSetup]));
    assert!(!put(&[], &[ViewSetup, ModifyAllData]));
    assert!(put(&[ModifyAllData], &[ModifyAllData, ViewSetup]), "what was there already is not handed out");
    let join = |before: &[u64], after: &[u64]| {
        let set = |ids: &[u64]| ids.iter().copied().map(UserId).collect();
        host.services.may_join(&caller, &set(before), &set(after)).is_ok()
    };
    let me = hr.id.0;
    assert!(join(&[], &[me + 1]));
    assert!(!join(&[], &[me]));
    assert!(join(&[me], &[me, me + 1]), "whoever is a member already stays one");
}

#[test]
fn an_apps_profiles_take_more_than_the_app() {
    let host = Host::start().with_app();
    let apps = host.person("apps-admin", &[CustomizeApplication, ManageConnectedApps], None);
    let more = host.person("app-owner", &[CustomizeApplication, ModifyAllData], None);
    let change = |by: &Person, body| host.call_as(&by.token, "PATCH", "/apps/hr", Some(&body));
    assert_eq!(change(&apps, json!({"settings": {"page_size": 10}})).status, 200);
    let refused = change(&apps, json!({"profiles": []}));
    assert_eq!(refused.status, 403);
    assert!(refused.body["detail"].as_str().unwrap().contains("Customize Application and Modify All Data"));
    assert_eq!(change(&apps, json!({"profiles": ["staff"]})).status, 200, "as they are");
    assert_eq!(change(&more, json!({"profiles": []})).status, 200);
    let new = json!({"name": "crm", "connector": "sample", "settings": {"base_url": "https://crm.example.com"},
        "profiles": ["staff"]});
    assert_eq!(host.post_as(&apps, "/apps", &new).status, 403);
    let without = json!({"name": "crm", "connector": "sample", "settings": {"base_url": "https://crm.example.com"}});
    assert_eq!(host.post_as(&apps, "/apps", &without).status, 201);
}

#[test]
fn a_connector_from_outside_takes_download_packages_and_is_not_looked_at_before() {
    let host = Host::start();
    let without = host.person("without", &[CustomizeApplication, ManageConnectedApps], None);
    let with = host.person("with", &[CustomizeApplication, ManageConnectedApps, DownloadPackages], None);
    let install = |by: &Person| {
        let bearer = format!("Bearer {}", by.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/wasm")];
        host.send("POST", "/api/v1/connectors?allow_unsigned=true", &headers, &component("1.0.0")).status
    };
    assert_eq!(install(&without), 403);
    assert_eq!(install(&with), 201);
}
