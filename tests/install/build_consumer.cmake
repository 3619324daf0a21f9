# Configures, builds and runs consumer/${COMPONENT}.cc against ${PREFIX}.
set(without)
string(REPLACE "," ";" packages "${WITHOUT}")
foreach(package IN LISTS packages)
  list(APPEND without -DCMAKE_DISABLE_FIND_PACKAGE_${package}=ON)
endforeach()
file(REMOVE_RECURSE ${BINARY})
execute_process(COMMAND_ERROR_IS_FATAL ANY
  COMMAND ${CMAKE_COMMAND} -S ${CONSUMER} -B ${BINARY} -G Ninja
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_PREFIX_PATH=${PREFIX} -DCOMPONENT=${COMPONENT} ${without})
execute_process(COMMAND_ERROR_IS_FATAL ANY
  COMMAND ${CMAKE_COMMAND} --build ${BINARY})
execute_process(COMMAND_ERROR_IS_FATAL ANY
  COMMAND ${BINARY}/consumer WORKING_DIRECTORY ${BINARY})
