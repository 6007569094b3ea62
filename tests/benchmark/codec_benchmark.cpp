// What the codec alone costs: cmake --build --preset release --target inflight_codec_benchmark
#include <inflight/codec.hpp>

#include <benchmark/benchmark.h>

namespace {

using namespace inflight;

constexpr protocol_version v3 = protocol_version::v3_1_1, v5 = protocol_version::v5;
constexpr std::string_view topic = "sensor/temperature";

const std::string& payload() {
    static const std::string bytes(256, 'x');
    return bytes;
}

const properties<packet_type::publish>& three_user_properties() {
    static const auto props = [] {
        properties<packet_type::publish> out;
        out.add_user_property("unit", "celsius").add_user_property("site", "roof").add_user_property("n", "1");
        return out;
    }();
    return props;
}

publish plain_publish(qos level) {
    const packet_id id{level == qos::at_most_once ? std::uint16_t{0} : std::uint16_t{4711}};
    return {.qos = level, .topic = topic, .id = id, .payload = payload()};
}
publish rich_publish() {
    publish out = plain_publish(qos::at_least_once);
    out.props = three_user_properties();
    return out;
}
subscribe two_filters() { return {packet_id{4711}, {}, {{"sensor/+/temperature"}, {"alarm/#"}}}; }

// Into a buffer that is there, as the session does it.
template <class Packet>
void encode_packet(benchmark::State& state, Packet packet, protocol_version version) {
    std::string buffer(1024, '\0');
    for (auto _ : state) {
        benchmark::DoNotOptimize(packet);
        const auto size = measure_packet(packet, version, buffer.size());
        if (!size) return state.SkipWithError("the packet cannot be encoded");
        encode_measured(packet, version, *size, buffer.data());
        benchmark::ClobberMemory();
    }
}

template <class Packet>
void decode_packet(benchmark::State& state, Packet packet, protocol_version version) {
    std::string bytes;
    if (encode(packet, version, bytes) != errc::none)
        return state.SkipWithError("the packet cannot be encoded");
    for (auto _ : state) {
        benchmark::DoNotOptimize(bytes.data());
        const auto f = next_frame(bytes, version);
        if (!f) return state.SkipWithError("the packet was not cut off");
        auto decoded = decode_as<Packet>(*f, version);
        benchmark::DoNotOptimize(decoded);
    }
}

#define INFLIGHT_CODEC_BENCHMARK(name, packet, version) \
    BENCHMARK_CAPTURE(encode_packet, name, packet, version); \
    BENCHMARK_CAPTURE(decode_packet, name, packet, version)

INFLIGHT_CODEC_BENCHMARK(publish_3_1_1_qos_0, plain_publish(qos::at_most_once), v3);
INFLIGHT_CODEC_BENCHMARK(publish_3_1_1_qos_1, plain_publish(qos::at_least_once), v3);
INFLIGHT_CODEC_BENCHMARK(publish_5_0_qos_0, plain_publish(qos::at_most_once), v5);
INFLIGHT_CODEC_BENCHMARK(publish_5_0_three_user_properties, rich_publish(), v5);
INFLIGHT_CODEC_BENCHMARK(puback_3_1_1, puback{packet_id{4711}}, v3);
INFLIGHT_CODEC_BENCHMARK(puback_5_0, puback{packet_id{4711}}, v5);
INFLIGHT_CODEC_BENCHMARK(subscribe_3_1_1, two_filters(), v3);
INFLIGHT_CODEC_BENCHMARK(subscribe_5_0, two_filters(), v5);

void match(benchmark::State& state, std::string_view filter) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(filter);
        benchmark::DoNotOptimize(matches(filter, topic));
    }
}
BENCHMARK_CAPTURE(match, same, topic);
BENCHMARK_CAPTURE(match, one_level_wildcard, "sensor/+");
BENCHMARK_CAPTURE(match, rest_wildcard, "sensor/#");
BENCHMARK_CAPTURE(match, differs, "sensor/humidity");

// Routing: one message among many filters, through the tree and by asking every filter.

constexpr int many = 10'000;

struct subscriber {
    int number = 0;
    bool empty() const { return number == 0; }
};

// A third each of exact filters, of '+' and of '#', under different sites: two of them match.
std::vector<std::string> filters(int count) {
    std::vector<std::string> out{"site/4711/+", "site/4711/#"};
    for (int i = 0; std::ssize(out) < count; ++i) {
        const std::string site = (i % 3 == 0 ? "site/" : "plant/") + std::to_string(i);
        out.push_back(site + (i % 3 == 0 ? "/humidity" : i % 3 == 1 ? "/+/state" : "/#"));
    }
    return out;
}
constexpr std::string_view routed = "site/4711/temperature";

topic_tree<subscriber> tree_of(const std::vector<std::string>& all) {
    topic_tree<subscriber> out;
    for (int number = 1; const std::string& filter : all) out[filter].number = number++;
    return out;
}

void route_by_tree(benchmark::State& state) {
    topic_tree<subscriber> tree = tree_of(filters(static_cast<int>(state.range(0))));
    int found = 0;
    const auto visit = [&](const subscriber& s) { found += !s.empty(); };
    for (auto _ : state) tree.for_each_match(routed, visit);
    if (found != 2 * state.iterations()) state.SkipWithError("two filters match");
}
BENCHMARK(route_by_tree)->Arg(10)->Arg(many);

void route_by_asking_each(benchmark::State& state) {
    const std::vector<std::string> all = filters(static_cast<int>(state.range(0)));
    int found = 0;
    for (auto _ : state)
        for (const std::string& filter : all) found += matches(filter, routed);
    if (found != 2 * state.iterations()) state.SkipWithError("two filters match");
}
BENCHMARK(route_by_asking_each)->Arg(10)->Arg(many);

void add_filters(benchmark::State& state) {
    const std::vector<std::string> all = filters(many);
    for (auto _ : state) benchmark::DoNotOptimize(tree_of(all));
}
BENCHMARK(add_filters)->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
