// SCRAM-SHA-256: the vectors of RFC 7677, servers that lie, and the exchange over MQTT.
#include "support/catch.hpp"

#include <inflight/scram.hpp>
#include <inflight/testing/memory_transport.hpp>

#include <random>

using namespace inflight;
using namespace std::chrono_literals;
using testing::authentication_answer, testing::memory_client, testing::network;

namespace {

// RFC 7677 section 3.
const std::string nonce = "rOprNGfwEbeRWgbNEkqO", their_nonce = nonce + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const std::string salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
const std::string server_first = "r=" + their_nonce + ",s=" + salt + ",i=4096";
const std::string client_final =
    "c=biws,r=" + their_nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const std::string server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

struct vector_exchange : scram_sha_256_exchange {
    std::string out{};
    vector_exchange() : scram_sha_256_exchange("user", "pencil", nonce) {}
    scram_errc answer(std::string_view first) { return client_final(first, out); }
};

/// What a server does, from the words of RFC 5802 and apart from the code under test: it keeps StoredKey and ServerKey
/// only, and finds out whether the proof is one.
class scram_server {
public:
    scram_server(std::string user, const std::string& password, int iterations)
        : user_(std::move(user)), iterations_(std::to_string(iterations)) {
        unsigned char salted[32];
        ::PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                            reinterpret_cast<const unsigned char*>("0123456789abcdef"), 16, iterations, EVP_sha256(), 32, salted);
        const std::string key(reinterpret_cast<char*>(salted), 32);
        stored_key_ = sha(hmac(key, "Client Key"));
        server_key_ = hmac(key, "Server Key");
    }

    testing::authentication_exchange exchange() const {
        return [s = *this, bare = std::string(), first = std::string(), step = 0](std::string_view words) mutable {
            return step++ == 0 ? s.begin(words, bare, first) : s.judge(words, bare, first);
        };
    }

private:
    authentication_answer begin(std::string_view words, std::string& bare, std::string& first) const {
        if (!words.starts_with("n,,n=" + user_ + ",r=")) return {reason_code::not_authorized};
        bare = words.substr(3);
        const std::string client_nonce(words.substr(words.find(",r=") + 3));
        first = "r=" + client_nonce + "SERVER,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=" + iterations_;
        return {reason_code::continue_authentication, first};
    }
    authentication_answer judge(std::string_view words, const std::string& bare, const std::string& first) const {
        const std::size_t at = words.find(",p=");
        if (at == words.npos) return {reason_code::malformed_packet};
        const std::string message = bare + "," + first + "," + std::string(words.substr(0, at));
        std::string key = unbase64(words.substr(at + 3));
        const std::string signature = hmac(stored_key_, message);
        for (std::size_t i = 0; i != key.size(); ++i) key[i] = static_cast<char>(key[i] ^ signature[i]);
        if (sha(key) != stored_key_) return {reason_code::not_authorized};
        return {reason_code::success, "v=" + base64(hmac(server_key_, message))};
    }

    static std::string hmac(const std::string& key, const std::string& text) {
        unsigned char out[32];
        ::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
               text.size(), out, nullptr);
        return {reinterpret_cast<char*>(out), 32};
    }
    static std::string sha(const std::string& text) {
        unsigned char out[32];
        ::EVP_Digest(text.data(), text.size(), out, nullptr, EVP_sha256(), nullptr);
        return {reinterpret_cast<char*>(out), 32};
    }
    static std::string base64(const std::string& text) {
        unsigned char out[64];
        const int n = ::EVP_EncodeBlock(out, reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
        return {reinterpret_cast<char*>(out), static_cast<std::size_t>(n)};
    }
    static std::string unbase64(std::string_view text) {
        unsigned char out[64] = {};
        if (text.size() != 44) return std::string(32, '\0');
        ::EVP_DecodeBlock(out, reinterpret_cast<const unsigned char*>(text.data()), 44);
        return {reinterpret_cast<char*>(out), 32};
    }

    std::string user_, iterations_, stored_key_{}, server_key_{};
};

testing::server_options scram_broker(const std::string& user, const std::string& password, int iterations = 4096) {
    testing::server_options o;
    o.authentication = [server = scram_server(user, password, iterations)](std::string_view method, std::string_view) {
        return method == "SCRAM-SHA-256" ? server.exchange() : testing::authentication_exchange{};
    };
    return o;
}

std::error_code try_connect(network& net, memory_client& client) {
    std::error_code got = errc::timed_out;
    bool is_done = false;
    client.async_connect([&](std::error_code error, const connect_result&) {
        got = error;
        is_done = true;
    });
    net.run_until([&] { return is_done; }, 1h);
    return got;
}

client_options options_for(std::string user, std::string password) {
    client_options o;
    o.client_id = "c";
    o.seed = 1;
    o.retry_first_connection = false;
    o.authentication = scram_sha_256(std::move(user), std::move(password));
    return o;
}

} // namespace

TEST_CASE("scram: says what RFC 7677 says", "[scram]") {
    vector_exchange e;
    std::string first;
    CHECK(e.client_first(first) == scram_errc::none);
    CHECK(first == "n,,n=user,r=" + nonce);
    CHECK(e.answer(server_first) == scram_errc::none);
    CHECK(e.out == client_final);
    CHECK(e.verify(server_final) == scram_errc::none);
}

TEST_CASE("scram: a broker that does not know the password is found out", "[scram]") {
    vector_exchange e;
    REQUIRE(e.answer(server_first) == scram_errc::none);
    std::string other = server_final;
    other[4] = 'A';
    CHECK(e.verify(other) == scram_errc::bad_signature);
    CHECK(e.verify("v=6rri") == scram_errc::bad_signature); // Right as far as it goes.
    CHECK(e.verify("") == scram_errc::malformed_message);
    CHECK(e.verify("v=") == scram_errc::malformed_message);
    CHECK(e.verify("x=6rri") == scram_errc::malformed_message);
    CHECK(e.verify("e=invalid-proof") == scram_errc::refused);
    CHECK(e.verify(server_final + ",x=extension") == scram_errc::none);
    CHECK(e.verify(server_final + ",") == scram_errc::malformed_message);
    CHECK(e.verify(server_final + ",=") == scram_errc::malformed_message);
    vector_exchange skipped; // It is content before it has asked for a proof.
    CHECK(skipped.verify(server_final) == scram_errc::malformed_message);
}

TEST_CASE("scram: each thing that may be wrong with the broker's first message has its error", "[scram]") {
    const auto [text, error] = GENERATE(table<std::string, scram_errc>({
        {"", scram_errc::malformed_message},
        {"r=" + their_nonce, scram_errc::malformed_message},
        {"r=" + their_nonce + ",s=" + salt, scram_errc::malformed_message},
        {"s=" + salt + ",r=" + their_nonce + ",i=4096", scram_errc::malformed_message},
        {"m=ext," + server_first, scram_errc::unknown_extension},
        {"e=unknown-user", scram_errc::refused},
        {"r=" + nonce + ",s=" + salt + ",i=4096", scram_errc::bad_nonce}, // It has added nothing.
        {"r=other" + their_nonce + ",s=" + salt + ",i=4096", scram_errc::bad_nonce},
        {"r=" + their_nonce + ",s=,i=4096", scram_errc::malformed_message},
        {"r=" + their_nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ=,i=4096", scram_errc::malformed_message},
        {"r=" + their_nonce + ",s=W22Z aJ0,i=4096", scram_errc::malformed_message},
        {"r=" + their_nonce + ",s=W22Z====,i=4096", scram_errc::malformed_message},
        {"r=" + their_nonce + ",s=W22ZaR==,i=4096", scram_errc::malformed_message}, // Bits that say nothing.
        {"r=" + their_nonce + ",s=" + salt + ",i=", scram_errc::malformed_message},
        {"r=" + their_nonce + ",s=" + salt + ",i=4096x", scram_errc::malformed_message},
        {"r=" + their_nonce + ",s=" + salt + ",i=-4096", scram_errc::bad_iteration_count},
        {"r=" + their_nonce + ",s=" + salt + ",i=4095", scram_errc::bad_iteration_count},
        {"r=" + their_nonce + ",s=" + salt + ",i=10000001", scram_errc::bad_iteration_count},
        {"r=" + their_nonce + ",s=" + salt + ",i=99999999999999999999", scram_errc::bad_iteration_count},
        {server_first + ",", scram_errc::malformed_message},
        {server_first + ",1=x", scram_errc::malformed_message},
        {"r=" + their_nonce + "\n,s=" + salt + ",i=4096", scram_errc::malformed_message},
    }));
    vector_exchange e;
    CHECK(e.answer(text) == error);
    CHECK(e.out.empty());
    CHECK(e.verify(server_final) == scram_errc::malformed_message);
}

TEST_CASE("scram: extensions that may be ignored are, and a proof is made once", "[scram]") {
    vector_exchange e;
    CHECK(e.answer(server_first + ",x=anything") == scram_errc::none);
    CHECK(e.out.starts_with("c=biws,r=" + their_nonce + ",p="));
    CHECK(e.answer(server_first) == scram_errc::malformed_message);
}

TEST_CASE("scram: commas and equal signs in user names are escaped; what is not printable ASCII is refused", "[scram]") {
    std::string out;
    CHECK(scram_sha_256_exchange("a=b,c", "p", "n").client_first(out) == scram_errc::none);
    CHECK(out == "n,,n=a=3Db=2Cc,r=n");
    for (const auto& [user, password] : std::vector<std::pair<std::string, std::string>>{
             {"K\xC3\xBC", "p"}, {"u", "\xC2\xAA"}, {"u\n", "p"}, {"u", std::string("p\0", 2)}, {"", "p"}, {"u", ""}})
        CHECK(scram_sha_256_exchange(user, password, "n").client_first(out) == scram_errc::not_ascii);
    CHECK(scram_sha_256_exchange("u", "p", "").client_first(out) == scram_errc::crypto_failed);
}

TEST_CASE("scram: nonces are random and have no comma", "[scram]") {
    const std::string one = scram_sha_256_exchange::random_nonce(), other = scram_sha_256_exchange::random_nonce();
    CHECK(one != other);
    CHECK(one.size() == 32);
    CHECK(one.find(',') == one.npos);
}

TEST_CASE("scram: Base64 goes both ways, whatever the length", "[scram]") {
    std::mt19937 random(1);
    for (std::size_t size = 1; size != 40; ++size) {
        std::string text(size, '\0');
        for (char& c : text) c = static_cast<char>(random());
        CHECK(detail::from_base64(detail::base64(text)) == text);
    }
    CHECK(detail::base64("foobar") == "Zm9vYmFy");
    CHECK(detail::base64("fooba") == "Zm9vYmE=");
    CHECK(detail::base64("foob") == "Zm9vYg==");
}

TEST_CASE("scram: Base64 with blanks, stray padding or stray bits is none", "[scram]") {
    for (const std::string_view bad : {"", "Zm9", "Zm9vY", " m9v", "Zm9v\nA==", "Zm9v    ", "Z=9v", "Zg=A", "====", "Z===", "Zh==", "Zm9=",
                                       "Zm-v", "Zm9v\xFF\xFF\xFF\xFF"}) {
        CAPTURE(bad);
        CHECK_FALSE(detail::from_base64(bad));
    }
}

TEST_CASE("scram: no message of the broker's does harm, and none but the right one is believed", "[scram]") {
    std::mt19937 random(7);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
    const auto mutate = [&](std::string text) {
        for (std::size_t i = 0, n = 1 + below(3); i != n && !text.empty(); ++i) {
            const std::size_t at = below(text.size());
            switch (below(4)) {
                case 0: text[at] = static_cast<char>(below(256)); break;
                case 1: text.erase(at, 1 + below(4)); break;
                case 2: text.insert(at, 1, ",=rsivmen0"[below(10)]); break;
                default: text.resize(at); break;
            }
        }
        return text;
    };
    int answered = 0;
    for (int i = 0; i != 2'000; ++i) {
        vector_exchange e;
        const std::string first = mutate(server_first);
        if (!first.ends_with(",i=4096") && i % 2 == 0) continue; // Few are worth hashing.
        answered += e.answer(first) == scram_errc::none ? 1 : 0;
        const std::vector<char> exact(first.begin(), first.end());
        (void)e.verify({exact.data(), exact.size()});
    }
    CHECK(answered > 0);
    vector_exchange e;
    REQUIRE(e.answer(server_first) == scram_errc::none);
    for (int i = 0; i != 20'000; ++i) {
        const std::string last = mutate(server_final);
        if (e.verify(last) == scram_errc::none) CHECK(last.starts_with(server_final));
    }
}

TEST_CASE("scram: client and broker prove to each other that they know the password, at connect and anew",
          "[scram][v5:MQTT-4.12.0-3][v5:MQTT-4.12.1-1]") {
    network net(scram_broker("jane", "secret", 5000));
    memory_client client(net.context(), options_for("jane", "secret"));
    CHECK_FALSE(try_connect(net, client));
    for (int i = 0; i != 2; ++i) {
        std::optional<std::error_code> again;
        client.async_reauthenticate([&](std::error_code error, const authentication_result&) { again = error; });
        net.run_until([&] { return again.has_value(); }, 1min);
        CHECK(again == std::error_code{});
    }
    CHECK(net.server().counters().received(packet_type::auth) == 5);
}

TEST_CASE("scram: a wrong password is refused by the broker, and a broker without the right one by the client",
          "[scram][v5:MQTT-4.12.0-4]") {
    network net(scram_broker("jane", "secret"));
    memory_client wrong(net.context(), options_for("jane", "guess"));
    CHECK(try_connect(net, wrong) == reason_code::not_authorized);

    testing::server_options impostor; // It takes whatever proof there is, and cannot make a signature.
    impostor.authentication = [](std::string_view, std::string_view) -> testing::authentication_exchange {
        return [step = 0](std::string_view words) mutable -> authentication_answer {
            if (step++ != 0) return {reason_code::success, server_final};
            const std::string theirs(words.substr(words.find(",r=") + 3));
            return {reason_code::continue_authentication, "r=" + theirs + "x,s=" + salt + ",i=4096"};
        };
    };
    net.server().set_options(impostor);
    memory_client deceived(net.context(), options_for("jane", "secret"));
    deceived.publish("a", "for the broker only", qos::at_least_once);
    CHECK(try_connect(net, deceived) == scram_errc::bad_signature);
    CHECK(net.server().counters().received(packet_type::publish) == 0);

    impostor.authentication = [](std::string_view, std::string_view) -> testing::authentication_exchange {
        return [](std::string_view) -> authentication_answer { return {}; }; // Content, whoever it is.
    };
    net.server().set_options(impostor);
    memory_client hurried(net.context(), options_for("jane", "secret"));
    CHECK(try_connect(net, hurried) == scram_errc::malformed_message);
}

TEST_CASE("scram: errors have words, and a user name that is not ASCII never leaves this machine", "[scram]") {
    for (int i = 0; i != 9; ++i) CHECK_FALSE(make_error_code(static_cast<scram_errc>(i)).message().starts_with("unknown"));
    CHECK(std::string(scram_category().name()) == "scram");
    network net(scram_broker("jane", "secret"));
    memory_client client(net.context(), options_for("J\xC3\xA4ne", "secret"));
    CHECK(try_connect(net, client) == scram_errc::not_ascii);
    CHECK(net.server().counters().connections == 0);
}
