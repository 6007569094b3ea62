# The rules of headers: direction of includes, what codec and session may know, lengths. See rules.sh.
BEGIN {
    rank["codec"] = 1; rank["session"] = 2; rank["testing"] = 2; rank["transport"] = 2; rank["async_client"] = 3; rank["client"] = 4
    no_io = "^(asio([./].*)?|thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|stop_token" \
        "|iostream|fstream|filesystem|ctime|random|syncstream|cstdio|sys/.*|unistd[.]h|netinet/.*)$"
}

function breach(line, text) { printf "%s:%d: %s\n", FILENAME, line, text }

# inflight/session/flow.hpp and inflight/session.hpp both belong to session.
function layer_of(path) {
    if (!sub(/^.*inflight\//, "", path)) { return "" }
    # The parts of the test kit that stand on Asio are opt-in parts, the rest of it is without I/O.
    if (path ~ /^testing([.]|\/(virtual_clock|network|memory_transport|tcp_server)[.])/) { return "testing with Asio" }
    sub(/[.\/].*$/, "", path)
    return path
}

# Replaces each string and character literal by an empty one and drops comments. A block comment may go on.
function code_of(text,    out, c, quote, i, n) {
    out = ""
    n = length(text)
    for (i = 1; i <= n; ++i) {
        c = substr(text, i, 1)
        if (in_comment) {
            if (substr(text, i, 2) == "*/") { in_comment = 0; ++i }
        } else if (quote != "") {
            if (c == "\\") { ++i } else if (c == quote) { quote = "" }
        } else if (substr(text, i, 2) == "//") {
            break
        } else if (substr(text, i, 2) == "/*") {
            in_comment = 1; ++i
        } else if (c == "\"" || (c == "'" && substr(text, i - 1, 1) !~ /[0-9a-fA-F]/)) {
            quote = c; out = out "0"
        } else {
            out = out c
        }
    }
    return out
}

# Does the text before a brace end a parameter list? `= {`, classes, namespaces and enumerations do not.
function opens_function(head,    tail) {
    if (head !~ /\)/) { return 0 }
    tail = head
    sub(/^.*\)/, "", tail)
    if (tail ~ /=/) { return 0 }
    return head !~ /^[ ]*(class|struct|union|enum|namespace)[ ]/
}

function end_of_file() {
    if (last_name != "" && last_line >= 600) {
        printf "%s:%d: %d lines; a header stays under 600\n", last_name, last_line, last_line
    }
}

FNR == 1 {
    end_of_file()
    layer = layer_of(FILENAME)
    in_comment = 0; depth = 0; function_depth = 0; head = ""
}

{ last_name = FILENAME; last_line = FNR }

/^[ ]*#[ ]*include/ {
    target = $0
    sub(/^[^<"]*[<"]/, "", target)
    sub(/[>"].*$/, "", target)
    if (rank[layer] && rank[layer] <= 2 && target ~ no_io) { breach(FNR, layer " knows no <" target ">") }
    if (target ~ /^inflight\//) {
        other = layer_of(target)
        if (rank[layer] && (!rank[other] || (other == "testing" && layer != "testing"))) {
            breach(FNR, layer " includes the opt-in part " other)
        } else if (rank[layer] && rank[other] > rank[layer]) {
            breach(FNR, layer " includes " other ", which stands above it")
        } else if ((layer == "session" && other == "transport") || (layer == "transport" && other == "session")) {
            breach(FNR, layer " includes " other ", which stands beside it")
        }
    } else if (/"/) {
        breach(FNR, "include \"" target "\" is relative; write <inflight/...>")
    }
    next
}

/^[ ]*#/ { next }

{
    text = code_of($0)
    if (rank[layer] && rank[layer] <= 2 && text ~ /(_clock *::|[Cc]lock_type *::|[Cc]lock *::|std::time *\(|system_clock|random_device)/ &&
        text ~ /now *\(|std::time *\(|random_device/) {
        breach(FNR, layer " reads no clock and draws no random number: both are arguments")
    }
    n = length(text)
    for (i = 1; i <= n; ++i) {
        c = substr(text, i, 1)
        if (c == "{") {
            if (!function_depth && opens_function(head)) { function_depth = depth + 1; function_line = FNR; function_head = head }
            ++depth
            head = ""
        } else if (c == "}") {
            if (function_depth && depth == function_depth) {
                length_of = FNR - function_line + 1
                if (length_of >= 70) { breach(function_line, "a function of " length_of " lines; it stays under 70") }
                function_depth = 0
                # `a() : b_{1}, c_{2} {`: these braces belong to the parameter list before them.
                head = substr(text, i + 1) ~ /^ *[,{]/ ? function_head : ""
            } else if (!function_depth) {
                head = ""
            }
            --depth
        } else if (c == ";" && !function_depth) {
            head = ""
        } else if (!function_depth) {
            head = head c
        }
    }
    head = head " "
}

END { end_of_file() }
