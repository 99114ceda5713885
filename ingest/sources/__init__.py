"""A shop's sources as its TOML names them: files, addresses and databases, each with its fields, language and rank."""
