// Obeys v5:U5-01. Neither the brackets nor the semicolon in a name disturb the count.
TEST_CASE("sample: a [ bracket; and a { brace",
          "[v5:MQTT-4.3.3-6][v3:MQTT-4.3.3-1]"
          "[v3:MQTT-1.5.3-1]") {}
