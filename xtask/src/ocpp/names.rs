//! From the schemas' names to Rust's.

/// `idTag` → `id_tag`, `responderURL` → `responder_url`; `type` is a word of Rust and becomes `kind`.
pub(crate) fn field(name: &str) -> String {
    if name == "type" {
        return "kind".into();
    }
    let name = name.replace("SoC", "Soc");
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let begins = letter.is_ascii_uppercase()
            && index > 0
            && (!letters[index - 1].is_ascii_uppercase()
                || letters.get(index + 1).is_some_and(char::is_ascii_lowercase));
        if begins {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// `Energy.Active.Import.Register` → `EnergyActiveImportRegister`.
pub(crate) fn word(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .map(upper_first)
        .collect()
}

/// With a capital first letter.
pub(crate) fn upper_first(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_rust() {
        for (theirs, ours) in [
            ("idTag", "id_tag"),
            ("type", "kind"),
            ("responderURL", "responder_url"),
            ("fullSoC", "full_soc"),
            ("ePriceLevel", "e_price_level"),
            ("iso15118SchemaVersion", "iso15118_schema_version"),
            ("evMaxCurrent", "ev_max_current"),
        ] {
            assert_eq!(field(theirs), ours);
        }
        assert_eq!(
            word("Energy.Active.Import.Register"),
            "EnergyActiveImportRegister"
        );
        assert_eq!(word("L1-N"), "L1N");
        assert_eq!(word("kWh"), "KWh");
    }
}
