# dist/reflow-VERSION.tar.gz: the command, its manual and what is known about it.
. ci/lib.sh
version=$(sed -n 's/^#define RF_VERSION "\(.*\)"/\1/p' src/reflow.h)
name=reflow-$version
mkdir -p dist "$name/bin" "$name/share"

title "collecting $name"
for file in build/release/reflow:bin src/reflow.h:share README.md:share docs/reflow.3:share \
  docs/reflow.html:share coverage/summary.txt:share bench/bench.txt:share; do
  [ -f "${file%:*}" ] || fail "${file%:*} is missing"
  cp "${file%:*}" "$name/${file#*:}/"
  ok "${file%:*}"
  sleep 0.25
done

title "packing"
COPYFILE_DISABLE=1 tar -cf - "$name" | gzip -9 >"dist/$name.tar.gz"
tar -tzf "dist/$name.tar.gz"
(cd dist && cksum "$name.tar.gz" | tee CHECKSUMS)
echo "$version" >dist/VERSION
