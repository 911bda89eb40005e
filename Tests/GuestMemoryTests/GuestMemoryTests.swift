import GuestMemory
import Testing

@Suite struct GuestMemoryTests {}
