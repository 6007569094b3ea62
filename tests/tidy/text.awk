# The rules of all text that is code. See rules.sh.
function breach(text) { printf "%s:%d: %s\n", FILENAME, FNR, text }

# A row of a table: `{...},` or, in tests, the bytes and words of a vector in one call.
function is_row(text) { return text ~ /^ *[{].*[}][,;)}]*( *\/\/.*)?$/ }

FNR == 1 {
    in_table = 0
    # Tests are mostly vectors and tags: tables in all but their braces.
    limit = FILENAME ~ /^tests\/.*[.]([ch]pp|py)$/ ? 140 : 110
}

/[^ -~\t]/ { breach("not ASCII") }
/\t/ { breach("a tab") }
/ $/ { breach("blanks at the end of the line") }
# The words are taken apart here, so that this file does not break its own rule.
/TO[D]O|FIX[M]E|X[X]X/ { breach("something left to do") }

# From a constant initialised by an opening brace at the end of its line to the line that closes it.
/= *[{]+ *(\/\/.*)?$/ || /(array|table)[^()]*[{]+$/ { in_table = 1 }
length($0) > limit && !in_table && !is_row($0) && $0 !~ /https?:\/\// { breach(length($0) " columns; the limit is " limit) }
/^ *[}]+;/ { in_table = 0 }
