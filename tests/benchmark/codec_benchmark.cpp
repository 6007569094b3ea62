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

} // namespace

BENCHMARK_MAIN();
