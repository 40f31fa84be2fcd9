//! What expressions give, and what is wrong with them, as tables; and the interpreter of the `cel` crate beside ours.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::testing;
use crate::{User, UserId};
use gatehouse_schema::{Account as RemoteAccount, Attributes, Status, Value as Remote};
use proptest::prelude::*;

fn ada() -> User {
    let free = [("role", vec!["admin", "dev"]), ("cost-center", vec!["4711"])];
    User {
        email: Some("Ada@Example.com".to_owned()),
        first_name: Some("Ada".to_owned()),
        last_name: Some("Lövelace".to_owned()),
        manager: Some(UserId(3)),
        manager_username: Some("grace".to_owned()),
        permission_sets: ["vpn".to_owned(), "wiki".to_owned()].into(),
        attributes: free
            .map(|(name, values)| (name.to_owned(), values.into_iter().map(str::to_owned).collect()))
            .into(),
        ..testing::user(7, "ada")
    }
}

/// Somebody of whom nothing is known but the name.
fn nobody() -> User {
    User { profile: None, ..testing::user(8, "nobody") }
}

fn shown(text: &str, facts: &Facts<'_>) -> String {
    match Expression::new(text).texts(facts) {
        Ok(texts) => format!("[{}]", texts.join("|")),
        Err(error) => error.to_string(),
    }
}

/// What it gives for Ada, and for somebody without anything.
fn check(text: &str, ada_s: &str, nobody_s: &str) {
    assert_eq!(shown(text, &Facts::of(&ada())), ada_s, "{text} for ada");
    assert_eq!(shown(text, &Facts::of(&nobody())), nobody_s, "{text} for nobody");
}

#[test]
fn what_is_made_with_a_missing_part_is_missing() {
    check("user.first_name + '.' + user.last_name", "[Ada.Lövelace]", "[]");
    check("user.first_name.lower() + '.' + user.last_name.ascii().lower()", "[ada.lovelace]", "[]");
    check("user.email", "[Ada@Example.com]", "[]");
    check("user.manager", "[grace]", "[]");
    check("user.attributes.role", "[admin|dev]", "[]");
    check("user.attributes.role.first()", "[admin]", "[]");
    check("user.attributes['cost-center'].first() + '/' + user.id", "[4711/USR-000007]", "[]");
    check("null", "[]", "[]");
    check("['a', null, 'b']", "[a|b]", "[a|b]");
}

#[test]
fn whether_something_is_there_can_be_asked() {
    check("has(user.email)", "[true]", "[false]");
    check("has(user.attributes.role)", "[true]", "[false]");
    check("'role' in user.attributes", "[true]", "[false]");
    check("has(user.email) ? user.email : user.username + '@example.com'", "[Ada@Example.com]", "[nobody@example.com]");
    check("user.profile == 'staff'", "[true]", "[false]");
    check("user.email.endsWith('@Example.com')", "[true]", "[false]");
    check("'vpn' in user.permission_sets", "[true]", "[false]");
    check("user.active && !user.frozen", "[true]", "[true]");
    check("size(user.attributes.role) + size(user.email)", "[17]", "[0]");
}

#[test]
fn lists_are_gone_through() {
    check("user.attributes.role.map(r, 'x-' + r)", "[x-admin|x-dev]", "[]");
    check("user.attributes.role.filter(r, r != 'dev')", "[admin]", "[]");
    check("user.attributes.role.map(r, r != 'dev', r.upper())", "[ADMIN]", "[]");
    check("user.attributes.role.exists(r, r == 'dev')", "[true]", "[false]");
    check("user.attributes.role.all(r, r.size() > 2)", "[true]", "[true]");
    check("user.attributes.role.exists_one(r, r.startsWith('d'))", "[true]", "[false]");
    check("user.attributes.role.join(', ')", "[admin, dev]", "[]");
    check("[1, 2].map(x, [10, 20].filter(y, y > x * 5).size())", "[2|1]", "[2|1]");
    check("user.permission_sets + ['all']", "[vpn|wiki|all]", "[all]");
    check("user.username.split('a')", "[|d|]", "[nobody]");
}

#[test]
fn numbers_and_texts_are_what_they_are_in_cel() {
    check("7 / 2 * 2 + 7 % 2 - -1", "[8]", "[8]");
    check("'Lövelace'.substring(1, 3) + string('abc'.indexOf('c')) + string(true)", "[öv2true]", "[öv2true]");
    check("'a' < 'b' && 2 >= 2 && !(1 == '1')", "[true]", "[true]");
    check("int(' 7 ') + 1", "[8]", "[8]");
    check("1 / 0 == 1 || true", "[true]", "[true]");
    check("' a-b '.trim().replace('-', '+')", "[a+b]", "[a+b]");
    check("r'a\\b' + \"c\\n\" + '''d'''", "[a\\bc\nd]", "[a\\bc\nd]");
}

#[test]
fn what_cannot_be_evaluated_says_where_and_names_no_value() {
    let same = |text: &str, error: &str| check(text, error, error);
    same("'a' + 1", "line 1, column 5: `+` cannot be used on a text and a number");
    same("true &&\n  'yes'", "line 2, column 3: true or false is needed here, and this is a text");
    same("['a'][1]", "line 1, column 6: the list has no element 1; `first()` gives null where there is none");
    same("1 / 0", "line 1, column 3: it divides by zero");
    same("9223372036854775807 + 1", "line 1, column 21: the number becomes too large");
    same("'ö' + 'x'.substring(2)", "line 1, column 20: `substring`: the text is too short for that");
    same("[['a']]", "line 1, column 1: it gives a list of lists, which is no value of an attribute");
    same("'a'.map(x, x)", "line 1, column 1: a list is needed here, and this is a text");
    check("int(user.email)", "line 1, column 4: `int`: the text is not a whole number", "[]");
    let no_manager = User { manager_username: None, ..ada() };
    let text = "line 1, column 5: the user's manager, USR-000003, is not to be found";
    assert_eq!(shown("user.manager", &Facts::of(&no_manager)), text);
    let truth = Expression::new("user.username").holds(&Facts::of(&ada())).unwrap_err().to_string();
    assert_eq!(truth, "line 1, column 5: it gives a text, and must give true or false");
}

/// What is wrong with an expression before anybody's turn.
fn wrong(text: &str, expected: &str) {
    let problem = Expression::new(text).problem().map(ToString::to_string).unwrap_or_default();
    assert_eq!(problem, expected, "{text}");
}

#[test]
fn what_is_wrong_with_an_expression_is_told_with_its_place() {
    wrong("user.email", "");
    wrong("", "line 1, column 1: the expression is empty");
    wrong("user.email +", "line 1, column 13: the expression ends here, and something is missing");
    wrong("'é' user", "line 1, column 5: `user` does not fit here");
    wrong("user..email", "line 1, column 6: `..` does not fit here");
    wrong("user.email 'x'", "line 1, column 12: `'x'` does not fit here");
    wrong("user.email + 'x", "line 1, column 14: this text is not closed, or has an escape that does not exist");
    wrong(
        "'é' +\n  user.frist_name",
        "line 2, column 7: `user` has no `frist_name`; did you mean `first_name` or `last_name`? A free attribute is `user.attributes.frist_name`",
    );
    wrong(
        "user.shoe_size",
        "line 1, column 5: `user` has no `shoe_size`; a free attribute is `user.attributes.shoe_size`",
    );
    wrong("'é' + usr.email", "line 1, column 7: there is no `usr`; did you mean `user`?");
    wrong("email", "line 1, column 1: there is no `email`; everything is asked of `user`, such as `user.email`");
    wrong("user", "line 1, column 1: `user` by itself is no value; name an attribute, such as `user.email`");
    wrong(
        "user.attributes",
        "line 1, column 5: name one of the attributes: `user.attributes.name` or `user.attributes['the-name']`",
    );
    wrong("user.email.domain", "line 1, column 11: `.domain` can only be asked of `user` and its `attributes`");
    wrong("user.email.lowr()", "line 1, column 16: there is no function `lowr`; did you mean `lower`?");
    wrong("user.email.replace('a')", "line 1, column 19: `replace` is used as `text.replace('from', 'to')`");
    wrong(
        "now()",
        "line 1, column 4: there is no function `now`; there is ascii, contains, endsWith, first, indexOf, int, join, lower, replace, size, split, startsWith, string, substring, trim, upper",
    );
    wrong(
        "user.email.matches('a+')",
        "line 1, column 19: there is no function `matches`; there is ascii, contains, endsWith, first, indexOf, int, join, lower, replace, size, split, startsWith, string, substring, trim, upper",
    );
    wrong("1.5", "line 1, column 1: only texts, whole numbers, true, false and null can stand here");
    wrong("{'a': 1}", "line 1, column 1: no map is needed here; use lists and texts");
    wrong("has(user)", "line 1, column 5: `has` takes an attribute: `has(user.email)`");
    wrong("['a'].map('x', 'x')", "line 1, column 11: the first argument names the element: `list.map(x, x + '!')`");
    wrong("for", "line 1, column 1: `for` is a reserved word");
}

#[test]
fn what_is_too_large_is_refused_before_it_costs_anything() {
    wrong(&"1+".repeat(1000), "line 1, column 2001: the expression ends here, and something is missing");
    wrong(&"1+".repeat(1001), "line 1, column 1: the expression is longer than 2000 characters");
    wrong(
        &format!("{}1{}", "(".repeat(101), ")".repeat(101)),
        "line 1, column 1: the expression has more than 100 brackets",
    );
    wrong(
        &format!("{}1{}", "[".repeat(100), "]".repeat(100)),
        "line 1, column 66: the expression is nested too deeply here",
    );
    wrong(&format!("{}1", "1+".repeat(70)), "line 1, column 10: the expression is nested too deeply here");
    wrong(&vec!["true"; 100].join("||"), "");
    let wide = format!("[{}]", vec!["1"; 400].join(","));
    wrong(&wide, "line 1, column 600: the expression has more than 300 parts");
    wrong("[1].map(a, [1].map(b, [1].map(c, c)))", "line 1, column 30: more than 2 loops stand within each other");
    wrong(&format!("a{}", ".b".repeat(900)), "line 1, column 1670: the expression is nested too deeply here");
}

#[test]
fn an_evaluation_ends_when_its_budget_is_spent() {
    let mut many = ada();
    many.attributes.insert("role".to_owned(), (0..400).map(|no| format!("role-{no}")).collect());
    let said = shown("user.attributes.role.map(a, user.attributes.role.map(b, a + b).size())", &Facts::of(&many));
    assert!(said.contains("it takes too long for this user"), "{said}");
    assert!(shown("user.attributes.role.map(a, a.upper()).size()", &Facts::of(&many)) == "[400]");
    // A text that would double with every loop.
    let mut text = "'0123456789abcdef'".to_owned();
    for _ in 0..20 {
        text = format!("[{text}].map(x, x + x + x + x).first()");
    }
    assert!(shown(&text, &Facts::of(&ada())).contains("it takes too long"), "{}", shown(&text, &Facts::of(&ada())));
    many.attributes.insert("long".to_owned(), vec!["x".repeat(60_000)]);
    let said =
        shown("user.attributes.long.first().replace('x', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy')", &Facts::of(&many));
    assert!(said.contains("it takes too long"), "{said}");
}

#[test]
fn conditions_are_about_a_user_and_an_account() {
    let attributes = Attributes::from([("title".to_owned(), vec![Remote::text("Countess")])]);
    let account = RemoteAccount {
        external_id: "e1".to_owned(),
        username: "ada".to_owned(),
        status: Status::Active,
        attributes,
        revision: None,
    };
    let ada = ada();
    let pair = Facts::of_pair(&ada, &account);
    for (text, expected) in [
        ("account.username == user.username && account.status == 'Active'", "[true]"),
        ("'Countess' in account.attributes.title", "[true]"),
        ("has(account.attributes.title) && !has(account.attributes.phone) && account.id == 'e1'", "[true]"),
    ] {
        assert_eq!(shown(text, &pair), expected, "{text}");
        assert!(Expression::new(text).names_account().is_some());
    }
    assert_eq!(shown("account.username", &Facts::of(&ada)), "line 1, column 8: there is no account here");
    wrong(
        "account.email",
        "line 1, column 8: `account` has no `email`; a free attribute is `account.attributes.email`",
    );
}

#[test]
fn what_an_expression_depends_on_is_known() {
    let used = |text: &str| match Expression::new(text).used_attributes() {
        UsedAttributes::All => "all".to_owned(),
        UsedAttributes::Only(names) => names.into_iter().collect::<Vec<_>>().join(" "),
    };
    assert_eq!(used("user.first_name + user.attributes.role.first()"), "first_name role");
    assert_eq!(used("has(user.email) ? user.email : user.attributes['x']"), "email x");
    assert_eq!(used("user.attributes[user.username]"), "all");
    assert_eq!(used("'role' in user.attributes || user.profile in ['a']"), "profile role");
    assert_eq!(used("'constant'"), "");
    assert_eq!(used("user.attributes.role.map(user, user + 'x')"), "role");
}

/// Expressions of the part of CEL that is the same here, over constants.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("'a'".to_owned()),
        Just("'ab'".to_owned()),
        Just("['a', 'b']".to_owned()),
        Just("[1, 2, 3]".to_owned()),
        (-3..4_i64).prop_map(|n| n.to_string()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let operators = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"];
        prop_oneof![
            (two.clone(), 0..operators.len()).prop_map(move |((a, b), no)| format!("({a} {} {b})", operators[no])),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.clone().prop_map(|a| format!("size({a})")),
            inner.clone().prop_map(|a| format!("string({a})")),
            two.clone().prop_map(|(a, b)| format!("{a}.contains({b})")),
            two.clone().prop_map(|(a, b)| format!("{a}.map(x, {b})")),
            inner.clone().prop_map(|a| format!("{a}.filter(x, x != 2)")),
            inner.clone().prop_map(|a| format!("{a}.exists(x, x == 'a')")),
            inner.clone().prop_map(|a| format!("{a}.all(x, x > 1)")),
            two.prop_map(|(a, b)| format!("{a}[{b}]")),
        ]
    })
}

/// A value of the interpreter of the `cel` crate, as ours shows it.
fn theirs(value: &cel::Value) -> Option<String> {
    Some(match value {
        cel::Value::Bool(truth) => truth.to_string(),
        cel::Value::Int(number) => number.to_string(),
        cel::Value::String(text) => text.to_string(),
        cel::Value::List(items) => {
            let items: Option<Vec<_>> = items
                .iter()
                .map(|item| match item {
                    cel::Value::List(_) => None,
                    item => theirs(item),
                })
                .collect();
            items?.join("|")
        }
        _ => return None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_expression_gives_what_the_interpreter_of_the_cel_crate_gives(text in expressions()) {
        let Ok(program) = cel::Program::compile(&text) else { return Ok(()) };
        let expression = Expression::new(&text);
        // What is too deep for one is not compared.
        prop_assume!(expression.problem().is_none());
        let ours = expression.texts(&Facts::of(&nobody())).map(|texts| texts.join("|")).ok();
        let theirs = program.execute(&cel::Context::default()).ok().and_then(|value| theirs(&value));
        prop_assert_eq!(ours, theirs, "{}", text);
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,60}|[a-z.()\\[\\]{}'\"\\\\?:&|+ 0-9\\n-]{0,80}") {
        let _ = Expression::new(&text).texts(&Facts::of(&nobody()));
    }

    #[test]
    fn no_user_makes_evaluating_panic(
        email in proptest::option::of("\\PC{0,20}"),
        first in proptest::option::of("\\PC{0,20}"),
        roles in proptest::collection::vec("\\PC{0,12}", 0..5),
        from in -2..12_i64,
        to in -2..12_i64,
    ) {
        let mut user = User { email, first_name: first, ..nobody() };
        user.attributes.insert("role".to_owned(), roles);
        for text in [
            format!("user.email.substring({from}, {to})"),
            format!("user.attributes.role[{from}].lower().ascii().upper()"),
            "user.email.split('@').map(part, part.trim().replace('', '-')).join('@')".to_owned(),
            "user.first_name.indexOf(user.attributes.role.first())".to_owned(),
            "int(user.first_name) / size(user.attributes.role)".to_owned(),
            "user.attributes.role.map(r, r < user.first_name, r + user.email)".to_owned(),
            "user.attributes[user.username].exists_one(x, x in user.attributes.role)".to_owned(),
        ] {
            let expression = Expression::new(&text);
            prop_assert_eq!(expression.problem(), None);
            let _ = expression.texts(&Facts::of(&user));
        }
    }
}
