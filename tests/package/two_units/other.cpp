// See main.cpp.
int other();

int other() { return 0; }
