TEST_CASE("sample: 2.2.1-1 is in 3.1.1 only", "[v3:MQTT-2.2.2-1][v5:MQTT-2.2.1-1]") {}
