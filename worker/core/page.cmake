# page.cmake: makes one page of page.html, page.css and page*.js, its Content-Security-Policy from the hashes of what is in it,
# and a C file that holds both, the page packed by gzip (page.h).
#
#     cmake -DFOLDER=worker/core -DOUT=page.c -P page.cmake

# SHA-256 of text, base64: what a policy names a style or script by.
function(base64_of_sha256 text out)
  set(letters ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 hex "${text}")
  set(result "")
  # Six hex digits are four letters; of the last four digits there are three, and a '='.
  foreach(at RANGE 0 60 6)
    string(SUBSTRING ${hex} ${at} 6 digits)
    string(LENGTH ${digits} n)
    if(n EQUAL 4)
      set(digits ${digits}00)
    endif()
    math(EXPR number "0x${digits}")
    foreach(shift 18 12 6 0)
      if(n EQUAL 4 AND shift EQUAL 0)
        string(APPEND result =)
      else()
        math(EXPR index "(${number} >> ${shift}) & 63")
        string(SUBSTRING ${letters} ${index} 1 letter)
        string(APPEND result ${letter})
      endif()
    endforeach()
  endforeach()
  set(${out} ${result} PARENT_SCOPE)
endfunction()

file(READ ${FOLDER}/page.html page)
file(READ ${FOLDER}/page.css style)
set(script "")
foreach(part page_base page_draw page_runs page)
  file(READ ${FOLDER}/${part}.js text)
  string(APPEND script "${text}")
endforeach()
base64_of_sha256("${style}" style_hash)
base64_of_sha256("${script}" script_hash)
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")
file(WRITE ${OUT}.html "${page}")
file(ARCHIVE_CREATE OUTPUT ${OUT}.gz PATHS ${OUT}.html FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
file(READ ${OUT}.gz bytes HEX)
file(REMOVE ${OUT}.html ${OUT}.gz)
# Bytes 4 to 7 are when it was packed: the same sources are to make the same program.
string(SUBSTRING ${bytes} 0 8 begin)
string(SUBSTRING ${bytes} 16 -1 rest)
set(bytes ${begin}00000000${rest})
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "/* Made by page.cmake. */
#include \"core/page.h\"

const unsigned char page_bytes[] = {
${bytes}
};
const size_t page_n_bytes = sizeof page_bytes;
const char page_policy[] = \"default-src 'none'; style-src 'sha256-${style_hash}'; script-src 'sha256-${script_hash}'; \"
                           \"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\";
")
