"""Threads."""
BARRIER = """
define internal void @barrier(ptr %gate, i64 %threads) { 
  ret void
}
"""
