/** `self` is what versions of phoenix.js before 1.8 read when they are loaded. Test files share modules, so it is set before any of them. */
Object.assign(globalThis, { self: globalThis })
