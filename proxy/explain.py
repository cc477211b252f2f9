def miss_message(identity, docs, *, recorded_count):
    return f"no recording matches {identity.key} of {recorded_count}, {len(docs)} near"
