# Catch2 of the system, 3 before 2, else the pinned commit.
find_package(Catch2 3 QUIET)
if(NOT Catch2_FOUND)
    find_package(Catch2 2.13 QUIET)
endif()
if(NOT Catch2_FOUND)
    include(FetchContent)
    FetchContent_Declare(Catch2
        GIT_REPOSITORY https://github.com/catchorg/Catch2.git
        GIT_TAG fa43b77429ba76c462b1898d6cd2f2d7a9416b14 # v3.7.1
        SYSTEM)
    block()
        set(CMAKE_UNITY_BUILD OFF) # It has not been made for that.
        FetchContent_MakeAvailable(Catch2)
    endblock()
endif()
