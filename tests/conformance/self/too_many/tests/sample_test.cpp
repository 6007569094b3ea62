TEST_CASE("sample: proves too much",
          "[v5:MQTT-1.5.4-1][v5:MQTT-1.5.4-2][v5:MQTT-1.5.4-3]"
          "[v5:MQTT-1.5.5-1][v3:MQTT-1.5.3-1]") {}
