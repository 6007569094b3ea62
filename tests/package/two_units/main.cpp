// Compiled together with other.cpp, both with every public header: a function or variable that is not inline
// is then defined twice, and the link fails.
int other();

int main() { return other(); }
