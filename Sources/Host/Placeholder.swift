// Placeholder: replaced by the module's files.
package struct SystemError: Error {}
package final class EventLoop {}
