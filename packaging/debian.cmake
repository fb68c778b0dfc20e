# What Debian's packages have beyond 'cmake --install', done to the files before cpack packs them: manual
# pages and the list of changes compressed, the licence as "copyright", no paths to libraries in the program.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr)
set(documents ${root}/share/doc/laminar-profile)
file(RPATH_REMOVE FILE ${root}/bin/laminar)
file(READ ${documents}/NOTICE notice)
file(WRITE ${documents}/copyright "${notice}\nOn Debian systems, the text of the Apache License, version 2.0, is in\n"
  "/usr/share/common-licenses/Apache-2.0.\n")
file(REMOVE ${documents}/NOTICE ${documents}/LICENSE)
file(RENAME ${documents}/CHANGELOG.md ${documents}/changelog)
file(GLOB pages ${root}/share/man/*/*)
execute_process(COMMAND gzip -9n ${documents}/changelog ${pages} COMMAND_ERROR_IS_FATAL ANY)
