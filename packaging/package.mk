# What is shipped: the static library as a host can link it, what is installed, the Debian packages, the record of the ABI.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/nbwss
OBJCOPY ?= objcopy

DIST := target/dist
MAN := target/man
DEB := target/deb

# The static library with our own functions for its only names, so that it can be linked beside another Rust library, or
# OpenSSL. Cargo's archive has thousands; an object of what the functions need can hide the others.
$(DIST)/libnbwss.a: $(RELEASE)/libnbwss.a packaging/exports.txt packaging/static.ld
	mkdir -p $(DIST)
	$(LD) -r --gc-sections --force-group-allocation --strip-debug -T packaging/static.ld \
	  $$(sed -n 's/^\(nbwss_[a-z_]*\).*/-u \1/p' packaging/exports.txt) -o $(DIST)/nbwss.o $<
	$(OBJCOPY) --wildcard --keep-global-symbol='nbwss_*' --strip-unneeded $(DIST)/nbwss.o
	rm -f $@
	$(AR) rcs $@ $(DIST)/nbwss.o

# Manual pages: one for each function and type of the header, and the overview.
man: $(MAN)/man7/nbwss.7
$(MAN)/man7/nbwss.7: include/nbwss.h scripts/man.awk docs/man/nbwss.7
	rm -rf $(MAN)
	mkdir -p $(MAN)/man3 $(MAN)/man7
	awk -v dir=$(MAN)/man3 -f scripts/man.awk docs/man/nbwss.7 include/nbwss.h
	cp docs/man/nbwss.7 $@

# Puts a file of packaging/ in its place, with the names and numbers of this installation in it.
fill = sed -e 's|@VERSION@|$(VERSION)|; s|@MAJOR@|$(MAJOR)|; s|@MINOR@|$(MINOR)|; s|@PREFIX@|$(PREFIX)|' \
  -e 's|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|' \
  -e "s|@INCLUDEDIR_FROM_HERE@|$$(realpath -m --relative-to=$(LIBDIR)/cmake/nbwss $(INCLUDEDIR))|" \
  packaging/$(1).in | install -m 644 /dev/stdin $(DESTDIR)$(LIBDIR)/$(2)/$(1)

# Installs what `make` has built, so that `sudo make install` needs no Rust.
install: $(if $(wildcard $(DIST)/libnbwss.a),,all)
	install -d $(addprefix $(DESTDIR),$(LIBDIR)/pkgconfig $(LIBDIR)/cmake/nbwss $(INCLUDEDIR)/nbwss) \
	  $(addprefix $(DESTDIR),$(MANDIR)/man3 $(MANDIR)/man7 $(DOCDIR))
	install -m 644 -s $(RELEASE)/libnbwss.so $(DESTDIR)$(LIBDIR)/libnbwss.so.$(VERSION)
	ln -sf libnbwss.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libnbwss.so.$(MAJOR)
	ln -sf libnbwss.so.$(MAJOR) $(DESTDIR)$(LIBDIR)/libnbwss.so
	install -m 644 $(DIST)/libnbwss.a $(DESTDIR)$(LIBDIR)
	$(call fill,nbwss.pc,pkgconfig)
	$(call fill,nbwss-config.cmake,cmake/nbwss)
	$(call fill,nbwss-config-version.cmake,cmake/nbwss)
	install -m 644 include/nbwss.h bindings/cpp/nbwss.hpp $(DESTDIR)$(INCLUDEDIR)
	install -m 644 bindings/cpp/nbwss/*.hpp $(DESTDIR)$(INCLUDEDIR)/nbwss
	install -m 644 $(MAN)/man3/*.3 $(DESTDIR)$(MANDIR)/man3
	install -m 644 $(MAN)/man7/*.7 $(DESTDIR)$(MANDIR)/man7
	install -m 644 docs/*.md $(DESTDIR)$(DOCDIR)

# libnbwss0 and libnbwss-dev in target/deb.
deb: all
	rm -rf $(DEB)
	mkdir -p $(DEB)/build
	cp -r packaging/debian $(DEB)/build
	echo 'libnbwss.so.$(MAJOR) libnbwss$(MAJOR) #MINVER#' >$(DEB)/build/debian/libnbwss$(MAJOR).symbols
	sed -n 's/^\(nbwss_[a-z_]*\) *\([0-9.]*\).*/ \1@Base \2/p' packaging/exports.txt >>$(DEB)/build/debian/libnbwss$(MAJOR).symbols
	$(CARGO) tree --edges normal,no-proc-macro --prefix none --format '{p}: {l}' | sed '/^nbwss /d; s/ (\*)$$//' | sort -u \
	  >>$(DEB)/build/debian/copyright
	cd $(DEB)/build && debian/rules binary

# The ABI of a release, which later ones are compared with. To be recorded when one is made.
abi: all
	packaging/abi.sh $(RELEASE)/libnbwss.so >packaging/nbwss.abi
